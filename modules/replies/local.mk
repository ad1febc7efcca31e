# modules/replies: replies and rules about them, what the modules throttle and bounce share, compiled into both.
replies_sources = modules/replies/replies.h modules/replies/selector.c modules/replies/view.c
REPLIES_CPPFLAGS = -I$(top_srcdir)/modules/replies $(PCRE2_CFLAGS)
