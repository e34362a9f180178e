//! Access patterns that larder leaves to the database or to Redis, beside it.

use std::{collections::BTreeSet, sync::Mutex, thread};

use diesel::prelude::*;
use larder::Repository;
use redis::Commands as _;
use tests::{Counts, Namespace, redis_url};

use super::World;

pub(super) const TABLES: &str = "
    CREATE TABLE jobs (id bigint PRIMARY KEY, is_done bool NOT NULL DEFAULT false);
    CREATE INDEX ON jobs (id) WHERE NOT is_done;
    CREATE TABLE players (id bigint PRIMARY KEY, points bigint NOT NULL);
    CREATE INDEX ON players (points DESC, id);";

diesel::table! { jobs (id) { id -> BigInt, is_done -> Bool, } }
diesel::table! { players (id) { id -> BigInt, points -> BigInt, } }

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Identifiable, Repository)]
#[diesel(table_name = jobs, check_for_backend(diesel::pg::Pg))]
struct Job {
    id: i64,
    is_done: bool,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Identifiable, Repository)]
#[diesel(table_name = players, check_for_backend(diesel::pg::Pg))]
struct Player {
    id: i64,
    points: i64,
}

#[test]
fn a_queue_in_a_table_gives_each_job_to_one_worker_and_a_rollback_gives_it_back() {
    const JOBS: i64 = 40;
    let world = World::new();
    let all: Vec<_> = (0..JOBS).map(|id| Job { id, is_done: false }).collect();
    Job::repository(&world.larders[0]).insert_many(&all).unwrap();
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for (worker, larder) in world.larders.iter().enumerate() {
            let done = &done;
            scope.spawn(move || {
                let mut n = 0;
                loop {
                    let taken = larder.transaction(|tx| {
                        let next = tx.run(|connection| {
                            let waiting = jobs::table.filter(jobs::is_done.eq(false)).order(jobs::id);
                            waiting.limit(1).for_update().skip_locked().first::<Job>(connection).optional()
                        })?;
                        let Some(job) = next else { return Ok(None) };
                        n += 1;
                        if n % 5 == worker {
                            return Err(larder::Error::other("on purpose"));
                        }
                        Job::repository(tx).update(job.id, jobs::is_done.eq(true))?;
                        Ok(Some(job.id))
                    });
                    match taken {
                        Ok(Some(id)) => done.lock().unwrap().push(id),
                        Ok(None) => return,
                        Err(error) => assert_eq!(error.to_string(), "on purpose"),
                    }
                }
            });
        }
    });
    let done = done.into_inner().unwrap();
    assert_eq!(done.len(), 40);
    assert_eq!(done.into_iter().collect::<BTreeSet<_>>(), (0..JOBS).collect());
    let jobs = Job::repository(&world.larders[1]).find_many(&(0..JOBS).collect::<Vec<_>>()).unwrap();
    assert!(jobs.into_iter().flatten().all(|job| job.is_done));
}

#[test]
fn the_best_players_are_kept_as_keys_until_one_of_them_all_scores() {
    let world = World::new();
    let players: Vec<_> = (0..20).map(|id| Player { id, points: 10 * id }).collect();
    let [here, there] = [0, 1].map(|at| Player::repository(&world.larders[at]));
    here.insert_many(&players).unwrap();
    let best = || -> Vec<i64> {
        let best = here.cached("best").load(|query| query.order((players::points.desc(), players::id)).limit(3));
        best.unwrap().into_iter().map(|player| player.id).collect()
    };
    assert_eq!(best(), [19, 18, 17]);
    world.meters[0].reset();
    assert_eq!(best(), [19, 18, 17]);
    world.meters[0].expect_counts(Counts { reads: 2, ..Counts::default() });
    there.update(3, players::points.eq(1_000)).unwrap();
    assert_eq!(best(), [3, 19, 18]);
}

#[test]
fn unique_visitors_are_estimated_by_redis_in_twelve_kilobytes() {
    let namespace = Namespace::new();
    let mut redis = redis::Client::open(redis_url()).unwrap().get_connection().unwrap();
    let days = [1, 2].map(|day| format!("{}:visitors:{day}", namespace.as_str()));
    for (day, visitors) in days.iter().zip([0..20_000, 10_000..30_000]) {
        let visitors: Vec<i64> = visitors.collect();
        let _: bool = redis.pfadd(day, &visitors).unwrap();
        // Who comes again is counted once.
        let _: bool = redis.pfadd(day, &visitors[..5_000]).unwrap();
    }
    let of = |keys: &[String], redis: &mut redis::Connection| -> f64 { redis.pfcount::<_, u32>(keys).unwrap().into() };
    // A standard error of 0.81 %: four of them.
    assert!((of(&days[..1], &mut redis) / 20_000.0 - 1.0).abs() < 0.033);
    assert!((of(&days, &mut redis) / 30_000.0 - 1.0).abs() < 0.033);
    let bytes: usize = redis::cmd("MEMORY").arg("USAGE").arg(&days[0]).query(&mut redis).unwrap();
    assert!(bytes < 16 << 10, "{bytes}");
}
