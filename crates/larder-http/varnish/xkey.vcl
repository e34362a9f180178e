# Purges by tags, with the module xkey (Debian: varnish-modules). To be included by a VCL that has
#
#     acl larder_purgers { "10.0.0.0"/8; }
#
# and that nobody outside of that list can reach `PURGE` through: a proxy in front of Varnish is what Varnish sees.

import std;
import xkey;

sub vcl_recv {
    if (req.method == "PURGE") {
        if (client.ip !~ larder_purgers) {
            return (synth(403, "Forbidden"));
        }
        if (req.http.ban-all) {
            if (std.ban("obj.status != 0")) {
                return (synth(200, "Purged"));
            }
            return (synth(500, "Not purged"));
        }
        if (req.http.xkey-purge) {
            set req.http.n-purged = xkey.purge(req.http.xkey-purge);
            return (synth(200, "Purged"));
        }
        if (req.http.xkey-softpurge) {
            set req.http.n-purged = xkey.softpurge(req.http.xkey-softpurge);
            return (synth(200, "Purged"));
        }
        return (synth(400, "Nothing to purge"));
    }
}

sub vcl_deliver {
    # Which rows an answer was built from is nobody's business.
    unset resp.http.xkey;
}
