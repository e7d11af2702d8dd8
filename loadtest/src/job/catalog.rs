//! A job's catalog as TOML: a meter and a charge for each event type, one graduated price, one plan for everybody.

use std::fmt::Write as _;

use super::Job;
use super::answer::amount_text;

impl Job {
    /// The catalog that prices the job.
    pub fn catalog(&self) -> String {
        let mut toml = String::from("name = \"side-by-side\"\ncurrency = \"USD\"\ntime_zone = \"UTC\"\n");
        toml.push_str("\n[prices.graduated]\nmodel = \"graduated\"\ntiers = [\n");
        for tier in self.tiers {
            let up_to = tier.up_to.map(|up_to| format!("up_to = {up_to}, ")).unwrap_or_default();
            // Writing to a String cannot fail, here and below.
            let _ = writeln!(toml, "  {{ {up_to}unit_amount = \"{}\" }},", amount_text(tier.unit_micros));
        }
        toml.push_str(
            "]\n\n[plans.month]\ncycle = \"1 month\"\nanchor = \"calendar\"\n\n[defaults]\nplan = \"month\"\n",
        );
        for meter in 0..self.shape.meters {
            let _ = write!(
                toml,
                "\n[meters.m{meter:02}]\nevent_type = \"meter.m{meter:02}\"\naggregation = \"sum\"\n\
                 value = \"data.value\"\nscale = 0\n\n\
                 [[plans.month.charges]]\nname = \"m{meter:02}\"\nmeter = \"m{meter:02}\"\nprice = \"graduated\"\n"
            );
        }
        toml
    }
}
