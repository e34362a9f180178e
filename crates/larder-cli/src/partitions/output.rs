//! What `partitions` prints.

use std::{error::Error, fmt::Write as _, time::UNIX_EPOCH};

use larder::partitions::{Action, Failure, Plan, Report, Status};
use serde_json::{Value, json};

use crate::complaint::Complaint;

pub(super) fn text_of_status(tables: &[Status]) -> String {
    let mut text = String::new();
    // Writing to a string can't fail.
    for Status { table, partitions, n_in_default, leftovers, .. } in tables {
        let _ = writeln!(text, "{table}: {} partitions", partitions.len());
        for part in partitions {
            let rows = part.n_rows.map_or_else(|| "rows unknown".to_owned(), |n| format!("some {n} rows"));
            let _ = writeln!(text, "  {}  {}  {rows}, {} bytes", part.name, part.bounds, part.n_bytes);
        }
        for n in n_in_default.iter().filter(|n| **n > 0) {
            let _ = writeln!(text, "  {n} rows are in the default partition");
        }
        for table in leftovers {
            let _ = writeln!(text, "  {table} is detached, and not gone yet");
        }
    }
    if text.is_empty() { "no model is partitioned\n".to_owned() } else { text }
}

pub(super) fn json_of_status(tables: &[Status]) -> String {
    let tables: Vec<_> = tables
        .iter()
        .map(|status| {
            let parts = status.partitions.iter();
            let parts: Vec<_> = parts
                .map(|part| json!({ "name": part.name, "bounds": part.bounds, "n_rows": part.n_rows, "n_bytes": part.n_bytes }))
                .collect();
            json!({
                "table": status.table,
                "partitions": parts,
                "n_in_default": status.n_in_default,
                "leftovers": status.leftovers,
            })
        })
        .collect();
    line(&json!({ "tables": tables }))
}

pub(super) fn text_of_plans(plans: &[Plan]) -> String {
    let mut text = String::new();
    for Plan { table, create, n_to_move, expire, finish, .. } in plans {
        for (name, bounds) in create {
            let _ = writeln!(text, "{table}: would create {name} {bounds}");
        }
        if *n_to_move > 0 {
            let _ = writeln!(text, "{table}: would move {n_to_move} rows out of the default partition");
        }
        for (name, bounds) in expire {
            let _ = writeln!(text, "{table}: would take away {name} {bounds}");
        }
        for name in finish {
            let _ = writeln!(text, "{table}: would go on with {name}, which is detached");
        }
    }
    if text.is_empty() { "there is nothing to do\n".to_owned() } else { text }
}

pub(super) fn json_of_plans(plans: &[Plan]) -> String {
    let named = |partitions: &[(String, String)]| -> Vec<Value> {
        partitions.iter().map(|(name, bounds)| json!({ "name": name, "bounds": bounds })).collect()
    };
    let plans: Vec<_> = plans
        .iter()
        .map(|plan| {
            let at = plan.at.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
            json!({
                "table": plan.table,
                "at": at,
                "create": named(&plan.create),
                "n_to_move": plan.n_to_move,
                "expire": named(&plan.expire),
                "finish": plan.finish,
            })
        })
        .collect();
    line(&json!({ "plans": plans }))
}

pub(super) fn text_of_report(report: &Report) -> String {
    let mut text = String::new();
    for (table, action) in &report.done {
        let _ = writeln!(text, "{table}: {action}");
    }
    for failure in &report.failures {
        let _ = writeln!(text, "{}: {} failed: {}", failure.table, failure.what, why(failure));
    }
    for table in &report.elsewhere {
        let _ = writeln!(text, "{table}: another keeper is at it");
    }
    if text.is_empty() { "there was nothing to do\n".to_owned() } else { text }
}

pub(super) fn json_of_report(report: &Report) -> String {
    let done: Vec<_> = report
        .done
        .iter()
        .map(|(table, action)| {
            let mut value = json!({
                "table": table,
                "partition": action.partition(),
                "blocked_ms": action.blocked().as_secs_f64() * 1e3,
                "what": action.to_string(),
            });
            if let Action::Archived { path, n_rows, .. } = action {
                (value["path"], value["n_rows"]) = (json!(path), json!(n_rows));
            }
            value
        })
        .collect();
    let failures: Vec<_> = report
        .failures
        .iter()
        .map(|failure| json!({ "table": failure.table, "what": failure.what, "why": why(failure) }))
        .collect();
    line(&json!({ "done": done, "failures": failures, "elsewhere": report.elsewhere }))
}

fn why(failure: &Failure) -> String {
    Complaint::of(&failure.error as &(dyn Error + 'static)).to_string()
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}
