# modules/replies: replies and rules about them, what the modules throttle and bounce share, compiled into both.
replies_sources = modules/replies/replies.h modules/replies/selector.c modules/replies/set.c modules/replies/view.c
replies_json_sources = modules/replies/json.c modules/replies/json.h
replies_offline_sources = modules/replies/dead.c modules/replies/dead.h modules/replies/nearest.c \
    modules/replies/recorded.c modules/replies/recorded.h $(replies_json_sources)
REPLIES_CPPFLAGS = -I$(top_srcdir)/modules/replies $(PCRE2_CFLAGS) $(JSON_CFLAGS)
REPLIES_LIBS = $(PCRE2_LIBS) $(JSON_LIBS)
