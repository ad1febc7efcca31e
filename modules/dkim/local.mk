# modules/dkim
