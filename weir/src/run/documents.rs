//! The documents of a run: those of each close, numbered as they are billed, in files and for `--customer`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use weir_invoicer::{Biller, DocumentKind, Invoice, Numbering, Remember, to_html, to_json, to_text};
use weir_model::catalog::Catalog;
use weir_model::currency::Currency;
use weir_model::number::Money;
use weir_rater::close::Close;

use super::output::sync_folder;
use super::progress::Progress;

/// How many documents get files of their own (JSON, text, HTML); `invoices.ndjson` always has them all.
const DOCUMENT_FILES_MAX: u64 = 1000;
const NO_SPACE: &str = "cannot write the invoices; free space or choose another --out";

/// What documents come to.
#[derive(Debug, Default)]
pub struct Billed {
    /// Documents.
    pub count: u64,
    /// Their totals, credit notes negative.
    pub totals: BTreeMap<Currency, Money>,
}

/// The documents of closed periods.
pub struct Documents<'a> {
    biller: Biller<'a>,
    only: Option<&'a str>,
    files: Option<Files>,
    billed: Billed,
    /// The text of those that `--customer` asked for.
    texts: Vec<String>,
}

/// Where documents are written.
struct Files {
    folder: PathBuf,
    all: BufWriter<File>,
    written: u64,
}

impl<'a> Documents<'a> {
    /// Documents in `folder`, if there is one.
    pub fn new(only: Option<&'a str>, catalog: &'a Catalog, folder: Option<&Path>) -> Result<Documents<'a>> {
        let prefix = catalog.seller.as_ref().map_or("INV-", |seller| seller.invoice_prefix.as_str());
        Ok(Documents {
            biller: Biller::new(catalog, Numbering::new(prefix)),
            only,
            files: folder.map(Files::create).transpose()?,
            billed: Billed::default(),
            texts: Vec::new(),
        })
    }

    /// Whether anybody reads them.
    pub fn are_kept(&self) -> bool {
        self.files.is_some() || self.only.is_some()
    }

    /// Makes the documents of a close. Every document takes its number, whoever is asked for.
    pub fn close(&mut self, close: &Close<'_>, remember: Remember, expected: u64) -> Result<()> {
        let Documents { biller, only, files, billed, texts } = self;
        let mut kept = Kept { only: *only, files, billed, texts };
        let progress = Progress::of_documents(expected);
        let mut closing = biller.close(close.through(), remember);
        if close.is_repeated() {
            close.for_each(|period| closing.revisit(period))?;
        }
        // Every document of several closes is written, since their sums are taken of them.
        let all = remember == Remember::Lines || close.is_repeated();
        close.for_each(|period| {
            if let Some(document) = closing.bill(period)? {
                if all || only.is_none_or(|only| only == period.customer) {
                    kept.add(&document.write()?)?;
                }
                progress.count();
            }
            anyhow::Ok(())
        })?;
        for note in closing.finish()? {
            kept.add(&note)?;
        }
        progress.finish();
        Ok(())
    }

    /// Syncs the files; gives what was billed and the texts that `--customer` asked for.
    pub fn finish(self) -> Result<(Billed, Vec<String>)> {
        if let Some(Files { folder, all, .. }) = self.files {
            let file = all.into_inner().map_err(std::io::IntoInnerError::into_error).context(NO_SPACE)?;
            file.sync_all().context(NO_SPACE)?;
            sync_folder(Some(&folder))?;
        }
        Ok((self.billed, self.texts))
    }
}

/// What becomes of a document.
struct Kept<'d> {
    only: Option<&'d str>,
    files: &'d mut Option<Files>,
    billed: &'d mut Billed,
    texts: &'d mut Vec<String>,
}

impl Kept<'_> {
    fn add(&mut self, invoice: &Invoice) -> Result<()> {
        let total = match invoice.kind {
            DocumentKind::CreditNote => Money::from_minor(-invoice.total.minor(), invoice.currency),
            _ => invoice.total,
        };
        let sum = self.billed.totals.entry(invoice.currency).or_insert(Money::zero(invoice.currency));
        *sum = sum.checked_add(total)?;
        self.billed.count += 1;
        if self.only.is_some_and(|only| only != invoice.customer.id) {
            return Ok(());
        }
        if self.only.is_some() {
            self.texts.push(to_text(invoice));
        }
        self.files.as_mut().map_or(Ok(()), |files| files.write(invoice))
    }
}

impl Files {
    fn create(folder: &Path) -> Result<Files> {
        fs::create_dir(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let path = folder.join("invoices.ndjson");
        let file = File::create_new(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Files { folder: folder.to_owned(), all: BufWriter::new(file), written: 0 })
    }

    fn write(&mut self, invoice: &Invoice) -> Result<()> {
        serde_json::to_writer(&mut self.all, invoice).context(NO_SPACE)?;
        self.all.write_all(b"\n").context(NO_SPACE)?;
        if self.written < DOCUMENT_FILES_MAX {
            let name = invoice.number.as_ref().map(ToString::to_string).unwrap_or_default();
            for (extension, content) in
                [("json", to_json(invoice)), ("txt", to_text(invoice)), ("html", to_html(invoice))]
            {
                // Copies for people of what invoices.ndjson holds: not worth a sync each.
                fs::write(self.folder.join(format!("{name}.{extension}")), content).context(NO_SPACE)?;
            }
        }
        self.written += 1;
        Ok(())
    }
}
