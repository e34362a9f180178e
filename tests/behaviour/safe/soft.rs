use std::ops::ControlFlow;

use diesel::{ExpressionMethods as _, connection::SimpleConnection as _};
use larder::{Models, verify::Report};
use tests::Cost;

use super::scene::{Doc, Scene, Team, docs};

/// What the first document is to everybody: to this handle, and to another process.
fn expect_doc(scene: &Scene, is_there: bool) {
    let other = scene.handle(scene.database.url());
    for larder in [&scene.larder, &other, &scene.larder] {
        let docs = Doc::repository(larder);
        assert_eq!(docs.find(1).unwrap().is_some(), is_there);
        assert_eq!(docs.find_by_name("one").unwrap().is_some(), is_there);
        let n = 1 + usize::from(is_there);
        assert_eq!(docs.list_by_team_id(1).load().unwrap().len(), n);
        assert_eq!(docs.count_by_team_id(1).unwrap(), n as i64);
        let (team, of_team) = Team::repository(larder).with(Team::docs()).get(1).unwrap();
        assert_eq!((of_team.len(), team.n_docs), (n, n as i64));
    }
    let report: Report = scene.larder.verify(&Models::new().with::<Doc>().with::<Team>()).run().unwrap();
    assert!(report.n_values > 0 && report.mismatches.is_empty(), "{report:?}");
}

#[test]
fn a_soft_deletion_is_a_deletion_to_every_process_and_a_restoration_an_insertion() {
    let scene = Scene::with_docs();
    expect_doc(&scene, true);
    let repository = Doc::repository(&scene.larder);
    scene.meter.reset();
    let deleted = repository.delete(1).unwrap().unwrap();
    // The deletion itself, and the maintained number of its team.
    scene.meter.expect(Cost { sql: 2, store_reads: 0, store_writes: 2 });
    assert_eq!((deleted.version, deleted.deleted_at), (1, None));
    assert_eq!(repository.find(1).unwrap(), None);
    scene.meter.expect(Cost { sql: 0, store_reads: 1, store_writes: 0 });
    expect_doc(&scene, false);
    let restored = repository.restore(1).unwrap().unwrap();
    assert_eq!((restored.version, restored.deleted_at), (3, None));
    expect_doc(&scene, true);
    let models = Models::new().with::<Doc>().with::<Team>();
    assert_eq!(scene.larder.upkeep(&models).check().unwrap(), []);
    repository.delete(1).unwrap();
    assert_eq!(scene.larder.upkeep(&models).check().unwrap(), []);
    let done = scene.larder.upkeep(&models).rebuild(|_| ControlFlow::Continue(())).unwrap();
    assert_eq!((done.n_wrong, done.is_complete), (0, true));
}

#[test]
fn a_name_of_a_deleted_document_is_free() {
    let scene = Scene::with_docs();
    expect_doc(&scene, true);
    let repository = Doc::repository(&scene.larder);
    repository.delete(1).unwrap();
    repository.insert((docs::id.eq(3), docs::team_id.eq(1), docs::name.eq("one"))).unwrap();
    let other = scene.handle(scene.database.url());
    assert_eq!(Doc::repository(&other).find_by_name("one").unwrap().unwrap().id, 3);
    repository.restore(1).unwrap_err();
    assert_eq!(repository.find_by_name("one").unwrap().unwrap().id, 3);
    repository.delete_forever(3).unwrap().unwrap();
    repository.restore(1).unwrap().unwrap();
    expect_doc(&scene, true);
}

#[test]
fn a_deleted_team_takes_its_documents_along() {
    let scene = Scene::with_docs();
    expect_doc(&scene, true);
    Team::repository(&scene.larder).delete(1).unwrap().unwrap();
    let other = scene.handle(scene.database.url());
    for larder in [&scene.larder, &other] {
        assert_eq!(Team::repository(larder).find(1).unwrap(), None);
        assert_eq!(Doc::repository(larder).find_many(&[1, 2]).unwrap(), [None, None]);
        assert_eq!(Doc::repository(larder).find_by_name("one").unwrap(), None);
    }
    let all = Doc::repository(&scene.larder).with_deleted().find_many(&[1, 2]).unwrap();
    let times: Vec<_> = all.iter().flatten().map(|doc| doc.deleted_at).collect();
    let team = Team::repository(&scene.larder).with_deleted().get(1).unwrap();
    assert_eq!(times, [team.deleted_at; 2], "at one time, that of the transaction");
}

#[test]
fn who_sets_the_time_past_larder_and_tells_empties_the_cells() {
    let scene = Scene::with_docs();
    expect_doc(&scene, true);
    let set = |to: &str| {
        let sql = format!("UPDATE docs SET deleted_at = {to} WHERE id = 1");
        scene
            .larder
            .transaction(|tx| tx.touching::<Doc, _>(&[1], |connection| connection.batch_execute(&sql)))
            .unwrap();
    };
    set("now()");
    expect_doc(&scene, false);
    set("NULL");
    expect_doc(&scene, true);
}
