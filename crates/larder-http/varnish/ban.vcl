# Purges by tags, with bans, for a Varnish without the module xkey. To be included by a VCL that has
#
#     acl larder_purgers { "10.0.0.0"/8; }
#
# and that nobody outside of that list can reach `PURGE` through: a proxy in front of Varnish is what Varnish sees.

import std;

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
        if (req.http.ban-tags) {
            # Only what an object itself has is asked for, so that the lurker can do it in the background. A ban's words end at spaces.
            if (std.ban("obj.http.xkey ~ (^|\s)(" + req.http.ban-tags + ")(\s|$)")) {
                return (synth(200, "Purged"));
            }
            return (synth(500, "Not purged"));
        }
        return (synth(400, "Nothing to purge"));
    }
}

sub vcl_deliver {
    # Which rows an answer was built from is nobody's business.
    unset resp.http.xkey;
}
