//! The document and the routes: the one says what the other has, both ways.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use shop::{App, Request};
use tests::{EMPTY, Namespace, redis_url};

use super::{problem, program::Shop};

/// What an operation is called under a path.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// Pages for people, which are no part of the interface that programs use.
const FOR_PEOPLE: [&str; 1] = ["/"];

fn documented(document: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let methods = |item: &Value| {
        let all = item.as_object().unwrap().keys().filter(|key| METHODS.contains(&key.as_str()));
        all.map(|method| method.to_uppercase()).collect()
    };
    document["paths"].as_object().unwrap().iter().map(|(path, item)| (path.clone(), methods(item))).collect()
}

/// The paths of the service's router.
///
/// It lists them for debugging only. Should it print them otherwise one day, none will be found here, and the test fails.
fn routed() -> BTreeSet<String> {
    let (database, namespace) = (EMPTY.database(), Namespace::new());
    let arguments = ["--namespace", namespace.as_str()].map(Into::into);
    let variable = |name| match name {
        "DATABASE_URL" => Some(database.url().to_owned()),
        "REDIS_URL" => Some(redis_url().to_owned()),
        _ => None,
    };
    let Ok(Request::Run(options)) = shop::parse(arguments, variable) else { panic!("no options") };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let printed = format!("{:?}", shop::router(App::open(&options).unwrap()));
    let paths = printed.split("paths: {").nth(1).unwrap_or_default();
    // `RouteId(3): "/users/{id}", ` and so on.
    let quoted = paths.split("RouteId(").skip(1).filter_map(|route| route.split('"').nth(1));
    quoted.take_while(|path| path.starts_with('/')).map(str::to_owned).collect()
}

#[test]
fn the_document_has_every_route_and_no_other() {
    let document: Value = serde_json::from_str(&Shop::start().get("/openapi.json").raw).unwrap();
    let mut documented: BTreeSet<String> = documented(&document).into_keys().collect();
    documented.extend(FOR_PEOPLE.map(str::to_owned));
    assert_eq!(documented, routed());
}

#[test]
fn a_path_has_the_methods_that_the_document_says_and_tells_them() {
    let shop = Shop::start();
    let answer = shop.get("/openapi.json");
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    let id = "9db8192f-b6a5-5c6d-8bef-b963669b9e47";
    for (path, methods) in documented(&answer.body) {
        let refused = shop.send("TRACE", &path.replace("{id}", id), None);
        let _ = problem(&refused, 405);
        let allowed = refused.header("allow").split(',').map(|method| method.trim().to_owned());
        // HEAD goes with GET and need not be said.
        let allowed: BTreeSet<String> = allowed.filter(|method| method != "HEAD").collect();
        assert_eq!(allowed, methods, "{path}");
    }
}

#[test]
fn every_reference_in_the_document_leads_somewhere_and_every_operation_has_a_name_of_its_own() {
    let document: Value = serde_json::from_str(include_str!("../../openapi.json")).unwrap();
    let (mut waiting, mut n_references, mut names) = (vec![&document], 0, BTreeSet::new());
    while let Some(value) = waiting.pop() {
        match value {
            Value::Object(fields) => {
                if let Some(reference) = fields.get("$ref") {
                    let pointer = reference.as_str().unwrap().strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{pointer}");
                    n_references += 1;
                }
                waiting.extend(fields.values());
            }
            Value::Array(all) => waiting.extend(all),
            _ => {}
        }
    }
    assert!(n_references > 50, "{n_references}");
    for item in document["paths"].as_object().unwrap().values() {
        for (_, operation) in item.as_object().unwrap().iter().filter(|(key, _)| METHODS.contains(&key.as_str())) {
            assert!(names.insert(operation["operationId"].as_str().unwrap()), "{operation}");
        }
    }
}
