//! Rows of several tenants with equal ids, of which each sees its own.

use std::ops::ControlFlow::Continue;

use diesel::{ExpressionMethods as _, QueryDsl as _, dsl::sql, sql_types::Bool};
use larder::{Error, once::Once};

use crate::site::{COSTS, Cost, Db, File, Ground as _, Shop, archive::files};

const TEAMS: [i64; 2] = [1, 2];
const COLD: Cost = Cost { sql: 1, store_reads: 1, store_writes: 2 };
const WARM: Cost = Cost { sql: 0, store_reads: 1, store_writes: 0 };

fn file(team: i64, id: i64) -> File {
    File { team, id, label: format!("{team}/{id}"), state: "draft".into(), gone_at: None }
}

/// Two teams, each of which has the files 1 to 3.
fn shop() -> Shop {
    let shop = Shop::new();
    shop.past(Db::ARCHIVE);
    shop.past(larder::once::up(Db::KIND));
    for team in TEAMS {
        let of_team = shop.larder.tenant(team);
        File::repository(&of_team).insert_many(&[1, 2, 3].map(|id| file(team, id))).unwrap();
    }
    shop.meter.reset();
    shop
}

fn labels(files: &[File]) -> Vec<&str> {
    files.iter().map(|file| file.label.as_str()).collect()
}

#[test]
fn a_tenant_finds_its_own_rows_at_the_cost_of_any() {
    let shop = shop();
    let other = shop.branch();
    let of_team = shop.larder.tenant(1_i64);
    let files = File::repository(&of_team);
    assert_eq!(labels(&files.list_by_state("draft").load().unwrap()), ["1/1", "1/2", "1/3"]);
    shop.meter.expect(COLD);
    assert_eq!(labels(&files.list_by_state("draft").load().unwrap()), ["1/1", "1/2", "1/3"]);
    assert_eq!(files.find_by_label("1/2").unwrap().unwrap().id, 2);
    shop.meter.expect(Cost { store_reads: 2, ..WARM });
    assert_eq!(files.find_by_label("2/2").unwrap(), None, "it is another's");
    assert_eq!(files.find(9).unwrap(), None);
    let of_others = other.larder.tenant(2_i64);
    let theirs = File::repository(&of_others);
    assert_eq!(labels(&theirs.list_by_state("draft").load().unwrap()), ["2/1", "2/2", "2/3"]);
    shop.meter.reset();
    files.update(1, files::state.eq("final")).unwrap();
    assert_eq!(shop.meter.counts().sql, COSTS.update);
    assert_eq!((files.count_by_state("final").unwrap(), theirs.count_by_state("final").unwrap()), (1, 0));
    let widened = files.query(|rows| rows.filter(files::id.eq(1)).or_filter(files::id.gt(0)).order(files::id)).unwrap();
    assert_eq!(labels(&widened), ["1/1", "1/2", "1/3"]);
    assert_eq!(files.delete(1).unwrap().unwrap().label, "1/1");
    assert_eq!(theirs.get(1).unwrap().label, "2/1");
    for team in TEAMS {
        let done = shop.larder.tenant(team).once("key", |_| Ok(team)).unwrap();
        assert_eq!(done, Once::Now(team), "keys are the tenant's own");
    }
}

#[test]
fn a_row_of_another_tenant_is_given_to_nobody_and_not_committed() {
    let shop = shop();
    let of_team = shop.larder.tenant(1_i64);
    let files = File::repository(&of_team);
    let is_wrong = |error: &Error| matches!(error, Error::WrongTenant { table: "files" });
    let raw = || sql::<Bool>("1 = 1 OR 1 = 1");
    assert!(files.query(|rows| rows.filter(raw())).is_err_and(|error| is_wrong(&error)));
    assert!(files.stream(|rows| rows.filter(raw()), |_| Ok(Continue(()))).is_err_and(|error| is_wrong(&error)));
    assert!(files.insert(&file(2, 9)).is_err_and(|error| is_wrong(&error)));
    let closing = || sql::<Bool>("1 = 1) OR (1 = 1");
    assert!(files.update_where(closing(), files::state.eq("x")).is_err_and(|error| is_wrong(&error)));
    assert!(files.delete_forever_where(closing()).is_err_and(|error| is_wrong(&error)));
    let doomed = of_team.transaction(|t| {
        assert!(File::repository(t).insert(&file(2, 9)).is_err());
        Ok(())
    });
    assert!(matches!(doomed, Err(Error::Doomed)), "{doomed:?}");
    let all = shop.larder.all_tenants().repository::<File>();
    let mut rows = all.query(|rows| rows).unwrap();
    rows.sort_by_key(|file| (file.team, file.id));
    assert_eq!(labels(&rows), ["1/1", "1/2", "1/3", "2/1", "2/2", "2/3"]);
    assert!(rows.iter().all(|file| file.state == "draft"));
}

#[test]
fn many_rows_at_once_are_the_tenants() {
    let shop = shop();
    for team in TEAMS {
        let of_team = shop.larder.tenant(team);
        let files = File::repository(&of_team);
        let (mut walked, mut streamed) = (Vec::new(), Vec::new());
        files
            .batches(1)
            .after(1)
            .for_each(|batch| {
                walked.extend(batch.rows.iter().map(|file| (file.team, batch.last)));
                Ok(Continue(()))
            })
            .unwrap();
        assert_eq!(walked, [(team, 2), (team, 3)]);
        files
            .stream(
                |rows| rows.or_filter(files::id.gt(0)).order(files::id.desc()),
                |file| {
                    streamed.push((file.team, file.id));
                    Ok(Continue(()))
                },
            )
            .unwrap();
        assert_eq!(streamed, [(team, 3), (team, 2), (team, 1)]);
        let changed = files.update_each(files::state, &[(3, "final"), (9, "final")]).unwrap();
        assert_eq!(
            changed.iter().map(|file| file.as_ref().map(|file| file.team)).collect::<Vec<_>>(),
            [Some(team), None]
        );
    }
    let of_team = shop.larder.tenant(1_i64);
    let files = File::repository(&of_team);
    files.delete(2).unwrap().unwrap();
    assert_eq!(labels(&files.delete_forever_where(files::gone_at.is_not_null()).unwrap()), ["1/2"]);
    let left = shop.larder.all_tenants().repository::<File>().query(|rows| rows).unwrap();
    assert_eq!(left.len(), 5);
}
