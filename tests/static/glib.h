/* What cppcheck needs to know of GLib's macros to read past them: it does not follow GLib's headers. */
#define G_DEFINE_QUARK(name, function)                                                             \
    GQuark function##_quark (void)                                                                 \
    {                                                                                              \
        return 1;                                                                                  \
    }
#define G_GNUC_PRINTF(format, arguments)
#define G_GNUC_CONST
#define G_GNUC_NULL_TERMINATED
