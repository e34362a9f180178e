# How a Varnish stands in front of the shop. To be included, after larder-http's xkey.vcl, by a VCL that has the backends `one` and `two`
# and `acl larder_purgers`. The backends want a `.probe` of `/readyz`, so that writes go to those that are there.

import directors;

sub vcl_init {
    new processes = directors.round_robin();
    processes.add_backend(one);
    processes.add_backend(two);
}

sub vcl_recv {
    set req.backend_hint = processes.backend();
    # What only one may see, what never ends, and what is to be seen as it is: past the edge.
    if (req.url ~ "^/(me|session|events|live|demo|metrics|healthz|readyz)([/?]|$)" || req.http.Cache-Control ~ "(?i)no-(cache|store)") {
        return (pass);
    }
    # All else is the same for everybody.
    if (req.method == "GET" || req.method == "HEAD") {
        unset req.http.Cookie;
    }
}

sub vcl_backend_error {
    # What only reads is asked of one after the other, where one of them has just ended.
    if (bereq.method == "GET" || bereq.method == "HEAD") {
        if (bereq.retries == 0) {
            set bereq.backend = one;
            return (retry);
        }
        if (bereq.retries == 1) {
            set bereq.backend = two;
            return (retry);
        }
    }
}

sub vcl_deliver {
    if (obj.hits > 0) {
        set resp.http.X-Cache = "edge";
        # Those of the one for whom it was fetched.
        unset resp.http.Server-Timing;
        unset resp.http.X-Request-Id;
        unset resp.http.RateLimit;
        unset resp.http.RateLimit-Policy;
        unset resp.http.RateLimit-Limit;
        unset resp.http.RateLimit-Remaining;
        unset resp.http.RateLimit-Reset;
    }
}
