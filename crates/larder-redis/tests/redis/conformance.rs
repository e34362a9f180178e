use std::sync::Arc;

use larder::store::conformance::Subject;

use crate::server::Server;

fn fresh_on(server: Arc<Server>) -> impl Fn() -> Subject {
    move || Subject::new(server.store())
}

larder::store_conformance_tests!(fresh_on(Server::shared()));
