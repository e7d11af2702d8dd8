//! `weir check`: everything wrong or surprising in a catalog.

use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;
use weir_model::catalog::{Problem, Severity};

use crate::cli::{CheckArgs, Format};
use crate::table::csv_field;
use crate::{failure, files};

/// Runs the command.
pub fn command(args: &CheckArgs) -> Result<ExitCode> {
    let (catalog, warnings) = files::catalog(&args.catalog)?;
    match args.format {
        Format::Table => {
            for warning in &warnings {
                println!("{warning}");
            }
            let findings = match warnings.len() {
                0 => "nothing to object to".to_owned(),
                1 => "1 warning".to_owned(),
                n => format!("{n} warnings"),
            };
            println!(
                "{}: {} meters, {} plans with {} charges, {} customers: {findings}",
                args.catalog.display(),
                catalog.meters.len(),
                catalog.plans.iter().filter(|plan| plan.variant_of.is_none()).count(),
                catalog.charges.len(),
                catalog.customers.len()
            );
        }
        Format::Json => println!("{}", serde_json::to_string_pretty(&findings(&warnings))?),
        Format::Csv => {
            println!("file,line,key,severity,reason,fix");
            for finding in findings(&warnings) {
                let texts = [
                    finding.file,
                    finding.line.to_string(),
                    finding.key,
                    finding.severity.into(),
                    finding.reason,
                    finding.fix,
                ];
                println!("{}", texts.map(|text| csv_field(&text)).join(","));
            }
        }
    }
    let strict = args.strict && !warnings.is_empty();
    Ok(if strict { ExitCode::from(failure::STRICT) } else { ExitCode::SUCCESS })
}

/// A warning as JSON and CSV show it.
#[derive(Serialize)]
struct Finding {
    file: String,
    line: u32,
    key: String,
    severity: &'static str,
    reason: String,
    fix: String,
}

fn findings(problems: &[Problem]) -> Vec<Finding> {
    let findings = problems.iter().map(|problem| Finding {
        file: problem.file.clone(),
        line: problem.line,
        key: problem.key.clone(),
        severity: match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        reason: problem.reason.clone(),
        fix: problem.fix.clone(),
    });
    findings.collect()
}
