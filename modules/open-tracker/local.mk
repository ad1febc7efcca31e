# modules/open-tracker: the module; what it shares with click-redirector stands in modules/tracking.
module_LTLIBRARIES += modules/open-tracker/open-tracker.la
modules_open_tracker_open_tracker_la_SOURCES = modules/open-tracker/open-tracker.c $(tracking_sources)
modules_open_tracker_open_tracker_la_CPPFLAGS = $(TRACKING_CPPFLAGS)
modules_open_tracker_open_tracker_la_LDFLAGS = $(RELAIS_MODULE_LDFLAGS)
modules_open_tracker_open_tracker_la_LIBADD = librelais.la $(GLIB_LIBS)
