//! Allowances: pro-rated, rolled over from sealed periods.
//!
//! Owns: what a bucket (or all of a charge's) may use for free, and what of it went on to the next period when its own
//! was sealed. That is decided once, by what was known then.

use std::collections::HashMap;

use anyhow::Result;
use num_traits::{Signed, Zero};

use super::amount::converted;
use super::catalog::Allowance;
use super::evaluation::Evaluation;
use super::frame::Frames;
use super::number::{Exact, Mode, from_scaled, pow10, round};

/// Whose allowance: the frame's, and unless all its buckets share it, leaf and group.
pub(super) type Holder = (usize, Option<(usize, Vec<String>)>);

/// What rolled out of each sealed period.
#[derive(Debug, Default)]
pub(super) struct Rolled(HashMap<Holder, Exact>);

impl Rolled {
    /// The allowance now: granted, less what rolled out.
    pub(super) fn allowance(&self, frames: &mut Frames<'_>, holder: &Holder) -> Result<Exact> {
        let granted = self.granted(frames, holder)?;
        Ok(granted - self.0.get(holder).cloned().unwrap_or_else(Exact::zero))
    }

    /// The pro-rated allowance and what rolled in.
    fn granted(&self, frames: &mut Frames<'_>, holder: &Holder) -> Result<Exact> {
        let (frame, bucket) = holder;
        let charge = frames.charge(frames.list[*frame].place());
        let Some(Allowance { rollover_max, .. }) = &charge.allowance else { return Ok(Exact::zero()) };
        let scale = frames.catalog.meters[charge.meters[0].1].scale;
        // Each segment's part is rounded for itself.
        let own = frames.sum_of_parts(*frame, |charge, part| {
            let whole = charge.allowance.as_ref().map_or_else(Exact::zero, |allowance| allowance.quantity.clone());
            from_scaled(round(&(whole * part), scale, Mode::HalfAway), scale)
        })?;
        if rollover_max.is_none() {
            return Ok(own);
        }
        let Some(before) = frames.rolls_from(*frame)? else { return Ok(own) };
        let rolled = self.0.get(&(before, bucket.clone())).cloned();
        Ok(own + rolled.unwrap_or_else(Exact::zero))
    }

    /// Rolls the unused allowance of the frames that a close seals, the earlier ones first.
    pub(super) fn roll(&mut self, evaluation: &mut Evaluation<'_, '_>, since: i64) -> Result<()> {
        let mut holders: Vec<(i64, Holder, Exact)> = Vec::new();
        for frame in 0..evaluation.buckets_of.len() {
            let frames = &evaluation.admission.frames;
            let (place, period) = (frames.list[frame].place(), frames.list[frame].period);
            let charge = frames.charge(place);
            let Some(Allowance { rollover_max: Some(_), is_shared, .. }) = &charge.allowance else { continue };
            let is_sealed_now = since < period.end && period.end <= evaluation.admission.sealed;
            if !is_sealed_now || !frames.reaches_next_period(frame) {
                continue;
            }
            let owes_always = evaluation.owes_without_usage(frame) && frames.parties[place.party].has_start;
            let mut shared: Option<Exact> = None;
            for at in &evaluation.buckets_of[frame] {
                let bucket = &evaluation.admission.buckets[*at];
                if bucket.usages.is_empty() && !owes_always {
                    continue;
                }
                let used = converted(charge, &evaluation.quantities[at][0]).max(Exact::zero());
                if *is_shared {
                    shared = Some(shared.unwrap_or_else(Exact::zero) + used);
                } else {
                    let group = bucket.group.iter().map(|&value| value.to_owned()).collect();
                    holders.push((period.start, (frame, Some((bucket.leaf, group))), used));
                }
            }
            holders.extend(shared.map(|used| (period.start, (frame, None), used)));
        }
        holders.sort_by_key(|(start, _, _)| *start);
        for (_, holder, used) in holders {
            self.roll_one(&mut evaluation.admission.frames, holder, &used)?;
        }
        Ok(())
    }

    /// rolled = min(rollover_max, granted − used), cut to the meter's decimals: what was used stays covered.
    fn roll_one(&mut self, frames: &mut Frames<'_>, holder: Holder, used: &Exact) -> Result<()> {
        let unused = self.granted(frames, &holder)? - used;
        let charge = frames.charge(frames.list[holder.0].place());
        let rollover_max = charge.allowance.as_ref().and_then(|allowance| allowance.rollover_max.clone());
        let scale = frames.catalog.meters[charge.meters[0].1].scale;
        if let Some(max) = rollover_max
            && unused.is_positive()
        {
            let rolled = (unused.min(max) * pow10(scale)).to_integer();
            self.0.insert(holder, from_scaled(rolled, scale));
        }
        Ok(())
    }
}
