//! What a test sees of the program from outside of it.

use std::fs;

use diesel::{Connection as _, PgConnection, QueryDsl as _, RunQueryDsl as _, dsl::sql, select, sql_types::BigInt};
use shop_core::schema::user_visits;

use crate::site::Site;

/// How much memory the process has.
pub(crate) fn resident_bytes(id: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

/// How many clients' connections there are to this one's database.
pub(crate) fn n_connections(connection: &mut PgConnection) -> usize {
    let n = "(SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend')";
    let n: i64 = select(sql::<BigInt>(n)).get_result(connection).unwrap();
    usize::try_from(n).unwrap()
}

/// What the database has of a user's visits.
pub(crate) fn visits(site: &Site, user: &str) -> u64 {
    let mut connection = PgConnection::establish(site.database()).unwrap();
    let of_user = user_visits::table.find(user.parse::<uuid::Uuid>().unwrap());
    let n: i64 = of_user.select(user_visits::n).get_result(&mut connection).unwrap();
    u64::try_from(n).unwrap()
}
