use diesel::{ExpressionMethods as _, QueryDsl as _};
use larder::Error;

use super::{archive, doc, ids, write};
use crate::site::{COSTS, Cost, Doc, Moment, Shelf, archive::docs};

const WARM: Cost = Cost { sql: 0, store_reads: 1, store_writes: 0 };

#[test]
fn a_deleted_row_is_absent_and_its_unique_key_is_free() {
    let shop = archive();
    let other = shop.branch();
    let (here, there) = (Doc::repository(&shop.larder), Doc::repository(&other.larder));
    for docs in [&here, &there] {
        assert_eq!(docs.find_by_name("doc 2").unwrap().unwrap().id, 2);
        assert_eq!(ids(&docs.list_by_shelf_id(1).load().unwrap()), [1, 2, 3]);
    }
    shop.meter.reset();
    let deleted = here.delete(2).unwrap().unwrap();
    shop.meter.expect(write(COSTS.delete_softly));
    assert_eq!((deleted.gone_at, deleted.version), (None, 1), "as it was");
    other.meter.reset();
    assert_eq!(there.find(2).unwrap(), None);
    other.meter.expect(WARM);
    assert_eq!(there.find_by_name("doc 2").unwrap(), None);
    assert_eq!(ids(&there.list_by_shelf_id(1).load().unwrap()), [1, 3]);
    assert_eq!(there.count_by_shelf_id(1).unwrap(), 2);
    assert_eq!(ids(&there.query(|rows| rows.order(docs::id)).unwrap()), [1, 3]);
    let shelf = Shelf::repository(&other.larder).with(Shelf::docs()).get(1).unwrap();
    assert_eq!(ids(&shelf.1), [1, 3]);
    let gone = Doc::repository(&other.larder).with_deleted().get(2).unwrap();
    let age = Moment::now().utc() - gone.gone_at.unwrap().utc();
    assert!(age.num_seconds().abs() < 600, "{gone:?}");
    // It is written no more than it is found.
    assert!(matches!(here.update(2, docs::name.eq("x")), Err(Error::NotFound { table: "docs" })));
    assert!(matches!(here.upsert(2, doc(2), docs::name.eq("x")), Err(Error::Deleted { table: "docs" })));
    assert_eq!(here.delete(2).unwrap(), None);
    // Another row may have its name, and as long as it has it the first one does not come back.
    here.insert(super::NewDoc { name: "doc 2".into(), ..doc(4) }).unwrap();
    assert_eq!(there.find_by_name("doc 2").unwrap().unwrap().id, 4);
    assert!(matches!(here.restore(2), Err(Error::Database(_))));
    shop.meter.reset();
    assert_eq!(here.delete_forever(4).unwrap().unwrap().id, 4);
    shop.meter.expect(write(COSTS.delete_forever));
    let restored = here.restore(2).unwrap().unwrap();
    shop.meter.expect(write(COSTS.restore));
    assert_eq!((restored.gone_at, restored.version), (None, 3));
    assert_eq!(there.find_by_name("doc 2").unwrap(), Some(restored));
    assert_eq!(ids(&there.list_by_shelf_id(1).load().unwrap()), [1, 2, 3]);
    assert_eq!(here.restore(2).unwrap(), None, "it is there");
}

#[test]
fn what_goes_with_a_row_is_deleted_softly_and_for_good_by_a_condition() {
    let shop = archive();
    let (shelves, repository) = (Shelf::repository(&shop.larder), Doc::repository(&shop.larder));
    shelves.delete(1).unwrap().unwrap();
    assert_eq!(repository.find_many(&[1, 2]).unwrap(), [None, None]);
    shelves.restore(1).unwrap().unwrap();
    assert_eq!(repository.find(1).unwrap(), None, "a restoration brings back the row alone");
    repository.restore(1).unwrap().unwrap();
    let mut gone = ids(&repository.delete_forever_where(docs::gone_at.is_not_null()).unwrap());
    gone.sort_unstable();
    assert_eq!(gone, [2, 3]);
    assert_eq!(ids(&Doc::repository(&shop.larder).with_deleted().query(|rows| rows).unwrap()), [1]);
    let rolled_back = shop.larder.transaction(|tx| {
        Doc::repository(tx).delete(1)?;
        assert_eq!(Doc::repository(tx).find(1)?, None);
        Err::<(), _>(Error::other("not this"))
    });
    assert!(rolled_back.is_err());
    assert_eq!(repository.get(1).unwrap().version, 3);
}
