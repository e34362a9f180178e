# How a Varnish stands in front of the shop. To be included, after larder-http's xkey.vcl, by a VCL that has the backends `one` and `two`
# and `acl larder_purgers`.

import directors;

sub vcl_init {
    new processes = directors.round_robin();
    processes.add_backend(one);
    processes.add_backend(two);
}

sub vcl_recv {
    set req.backend_hint = processes.backend();
    # What only one may see, what never ends, and what is to be seen as it is: past the edge.
    if (req.url ~ "^/(me|session|events|live|demo|metrics|healthz|readyz)([/?]|$)" || req.http.Cache-Control ~ "no-(cache|store)") {
        return (pass);
    }
    # All else is the same for everybody.
    if (req.method == "GET" || req.method == "HEAD") {
        unset req.http.Cookie;
    }
}

sub vcl_backend_fetch {
    # The one that has just failed is not asked again.
    if (bereq.retries > 0) {
        set bereq.backend = processes.backend();
    }
}

sub vcl_backend_error {
    # Of a process that has ended, what only reads is asked of the other.
    if (bereq.retries < 2 && (bereq.method == "GET" || bereq.method == "HEAD")) {
        return (retry);
    }
}

sub vcl_deliver {
    if (obj.hits > 0) {
        set resp.http.X-Cache = "edge";
        unset resp.http.Server-Timing;
    }
}
