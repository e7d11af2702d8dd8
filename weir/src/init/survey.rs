//! One pass over all events: which types there are, and what stands in their `data`. Memory is bounded whatever the files
//! hold; what was left out because of a limit is counted.
//!
//! Owns: reading for `weir init`. Does not own: what the findings mean (`infer`).

use std::collections::BTreeMap;

use anyhow::Result;
use weir_ingest::reader::{self, Reader, ReaderSettings};
use weir_ingest::{DecodeScratch, Decoder, input};
use weir_model::catalog::{self, NoFiles};
use weir_model::event::Chunk;
use weir_model::hash::HashKey;
use weir_model::time::Instant;

use super::data::{self, Leaf};
use super::field::{Distinct, Field};
use crate::cli::InitArgs;
use crate::failure::{invalid, invalid_with_causes};
use crate::files;
use crate::run::intake::Intake;

/// Event types that are looked at: the first ones.
pub const TYPES_MAX: usize = 100;
/// Paths that are looked at, over all types: the first ones.
pub const FIELDS_MAX: usize = 1_000;

/// A catalog that measures nothing: every event is accepted, whatever it brings.
const NOTHING_MEASURED: &str = "name = \"init\"\ncurrency = \"USD\"\n";

/// What the files hold.
#[derive(Debug, Default)]
pub struct Survey {
    /// By CloudEvents `type`.
    pub types: BTreeMap<String, TypeSurvey>,
    /// Valid events, repeated ones included.
    pub events: u64,
    /// Values of `subject`.
    pub subjects: Distinct,
    /// Times of the first and of the last event.
    pub times: Option<(Instant, Instant)>,
    /// Events of types beyond [`TYPES_MAX`].
    pub events_beyond: u64,
    /// Values at paths beyond [`FIELDS_MAX`], or longer than [`data::PATH_BYTES_MAX`].
    pub values_beyond: u64,
    fields: usize,
}

/// The events of one type.
#[derive(Debug, Default)]
pub struct TypeSurvey {
    /// How many.
    pub events: u64,
    /// By path.
    pub fields: BTreeMap<String, Field>,
    /// Events whose `data` is there, but no object.
    pub no_object: u64,
}

/// The files, read.
#[derive(Debug)]
pub struct Read {
    /// What they hold.
    pub survey: Survey,
    /// What was turned away.
    pub intake: Intake,
    /// Names of the files, by [`Chunk::file`].
    pub names: Vec<String>,
}

/// Reads the events that the arguments name.
pub fn read(args: &InitArgs) -> Result<Read> {
    let mapping = args.mapping.as_deref().map(files::mapping).transpose()?.map(std::sync::Arc::new);
    let inputs = input::expand(&args.events, mapping.as_deref()).map_err(invalid_with_causes)?;
    let names = inputs.iter().map(|input| input.name.clone()).collect();
    let mut reader = Reader::open(inputs, mapping, ReaderSettings::default()).map_err(invalid_with_causes)?;
    let (nothing, _) = catalog::load("init", NOTHING_MEASURED, &NoFiles).map_err(invalid)?;
    let decoder = Decoder::new(&nothing, HashKey::FILES, 1);
    let (mut chunk, mut scratch) = (Chunk::new(1), DecodeScratch::new());
    let (mut survey, mut intake) = (Survey::default(), Intake::default());
    while let Some(piece) = reader.next(&mut chunk).map_err(invalid_with_causes)? {
        reader::decode(piece, &decoder, &mut chunk, &mut scratch);
        intake.count(&chunk);
        survey.observe(&chunk);
        chunk.clear();
    }
    for name in reader.empty_inputs() {
        eprintln!("note: {name} holds no record");
    }
    Ok(Read { survey, intake, names })
}

impl Survey {
    /// Takes the events of a decoded chunk in.
    fn observe(&mut self, chunk: &Chunk) {
        let text = |span: weir_model::event::Span| span.of(&chunk.text);
        for batch in &chunk.batches {
            for (event, said) in batch.events.iter().zip(&batch.attributes) {
                self.events += 1;
                self.subjects.add(&String::from_utf8_lossy(text(said.subject)));
                let (first, last) = self.times.unwrap_or((event.time, event.time));
                self.times = Some((first.min(event.time), last.max(event.time)));
                let data = Some(text(said.data)).filter(|data| !data.is_empty() && *data != b"null");
                self.event(&String::from_utf8_lossy(text(said.type_name)), data);
            }
        }
    }

    fn event(&mut self, type_name: &str, data: Option<&[u8]>) {
        if !self.types.contains_key(type_name) {
            if self.types.len() == TYPES_MAX {
                self.events_beyond += 1;
                return;
            }
            self.types.insert(type_name.to_owned(), TypeSurvey::default());
        }
        let Some(of_type) = self.types.get_mut(type_name) else { return };
        of_type.events += 1;
        let Some(data) = data else { return };
        let (fields, values_beyond) = (&mut self.fields, &mut self.values_beyond);
        let event = of_type.events;
        let object = data::walk(data, &mut |path, leaf| {
            if let Some(field) = of_type.fields.get_mut(path) {
                return field.observe(event, &leaf);
            }
            match leaf {
                Leaf::TooDeep => *values_beyond += 1,
                _ if *fields == FIELDS_MAX => *values_beyond += 1,
                leaf => {
                    *fields += 1;
                    of_type.fields.entry(path.to_owned()).or_default().observe(event, &leaf);
                }
            }
        });
        of_type.no_object += u64::from(!object);
    }
}
