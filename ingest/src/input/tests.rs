//! What `--events` expands to, and what it refuses.

use super::*;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in
        ["b.ndjson", "a.ndjson", "c.jsonl.gz", "d.csv", "e.TSV.zst", "f.parquet", "g.feather", "h.txt", "i.csv.GZ"]
    {
        std::fs::write(folder.path().join(name), "12345").unwrap();
    }
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    std::fs::write(folder.path().join("f.parquet.gz"), "").unwrap();
    folder
}

fn mapping(format: Option<TableFormat>) -> Mapping {
    Mapping { format, ..Mapping::default() }
}

fn names(inputs: &[Input], folder: &Path) -> Vec<String> {
    let prefix = format!("{}/", folder.display());
    inputs.iter().map(|input| input.name.replace(&prefix, "")).collect()
}

#[test]
fn files_and_patterns_keep_the_given_order() {
    let folder = folder();
    let at = |name: &str| format!("{}/{name}", folder.path().display());
    let csv = mapping(None);
    let table: [(&[&str], &[&str]); 5] = [
        (&["b.ndjson", "a.ndjson"], &["b.ndjson", "a.ndjson"]),
        (&["*.ndjson"], &["a.ndjson", "b.ndjson"]),
        (&["d.csv", "[ab].ndjson", "c.*"], &["d.csv", "a.ndjson", "b.ndjson", "c.jsonl.gz"]),
        (&["?.ndjson", "a.ndjson"], &["a.ndjson", "b.ndjson", "a.ndjson"]),
        (&["-", "d.csv"], &["stdin", "d.csv"]),
    ];
    for (arguments, expected) in table {
        let arguments: Vec<String> =
            arguments.iter().map(|name| if *name == "-" { "-".to_owned() } else { at(name) }).collect();
        let mapping = Mapping { format: Some(TableFormat::Csv), ..csv.clone() };
        let inputs = expand(&arguments, Some(&mapping)).unwrap();
        assert_eq!(names(&inputs, folder.path()), expected);
    }
    let inputs = expand(&[at("*.ndjson")], None).unwrap();
    assert_eq!(total_bytes(&inputs), 10);
    std::fs::write(at("odd[1].ndjson"), "").unwrap();
    assert_eq!(names(&expand(&[at("odd[1].ndjson")], None).unwrap(), folder.path()), ["odd[1].ndjson"]);
}

#[test]
fn names_and_mapping_tell_the_format() {
    use Compression::{Gzip, Zstd};
    use DeclaredCompression::{ByMapping, ByName, Unknown};
    let folder = folder();
    let table = [
        ("a.ndjson", None, Unknown, Format::Ndjson),
        ("c.jsonl.gz", None, ByName(Gzip), Format::Ndjson),
        ("d.csv", None, Unknown, Format::Csv),
        ("i.csv.GZ", None, ByName(Gzip), Format::Csv),
        ("e.TSV.zst", None, ByName(Zstd), Format::Tsv),
        ("e.TSV.zst", Some(TableFormat::Csv), ByName(Zstd), Format::Tsv),
        ("f.parquet", None, Unknown, Format::Parquet),
        ("g.feather", None, Unknown, Format::Arrow),
        ("h.txt", Some(TableFormat::Csv), Unknown, Format::Csv),
        ("d.csv", Some(TableFormat::Arrow), Unknown, Format::Arrow),
        ("a.ndjson", Some(TableFormat::Csv), Unknown, Format::Ndjson),
    ];
    for (name, format, compression, expected) in table {
        let path = folder.path().join(name);
        let inputs = expand(&[path.display().to_string()], Some(&mapping(format))).unwrap();
        assert_eq!((inputs[0].compression, inputs[0].format), (compression, expected), "{name}");
    }
    let packed = Mapping { compression: Some(Gzip), ..mapping(None) };
    let path = folder.path().join("d.csv").display().to_string();
    assert_eq!(expand(&[path], Some(&packed)).unwrap()[0].compression, ByMapping(Gzip));
}

#[test]
fn every_refusal_says_what_to_do() {
    let folder = folder();
    let at = |name: &str| if name == "-" { name.to_owned() } else { format!("{}/{name}", folder.path().display()) };
    let (none, any) = (None, Some(mapping(None)));
    let parquet = Some(mapping(Some(TableFormat::Parquet)));
    let table: [(&[&str], &Option<Mapping>, &str); 12] = [
        (&[], &none, "no events given: name a file, a glob or `-` for stdin after `--events`"),
        (&["x.ndjson"], &none, "x.ndjson: there is no such file; check the path given to `--events`"),
        (&["sub"], &none, "sub: this is a directory; name its files, for example `sub/*.ndjson`"),
        (&["*.nope"], &none, "*.nope: no file matches this pattern; check the folder and the extension"),
        (&["[a.ndjson"], &none, "[a.ndjson: this pattern is not valid: invalid range pattern"),
        (&["-", "-"], &none, "`-` is given twice, but stdin can be read once only; remove one"),
        (
            &["-"],
            &any,
            "stdin has no extension that tells its format; write `format = \"csv\"` or `\"arrow\"` into the mapping",
        ),
        (&["-"], &parquet, "stdin: Parquet is read from its end and cannot come through a pipe; give a file"),
        (
            &["h.txt"],
            &none,
            "h.txt: the extension tells no format; rename it to .ndjson, .csv, .tsv, .parquet or .arrow (then .gz or .zst), or write `format = ...` into the mapping",
        ),
        (&["d.csv"], &none, "d.csv: CSV needs a mapping that says how a row becomes events; give one with `--mapping`"),
        (
            &["f.parquet"],
            &none,
            "f.parquet: Parquet needs a mapping that says how a row becomes events; give one with `--mapping`",
        ),
        (
            &["f.parquet.gz"],
            &any,
            "f.parquet.gz: Parquet is compressed inside and is read from its end; decompress the file first",
        ),
    ];
    for (arguments, mapping, expected) in table {
        let arguments: Vec<String> = arguments.iter().map(|name| at(name)).collect();
        let refusal = expand(&arguments, mapping.as_ref()).unwrap_err().to_string();
        assert_eq!(refusal.replace(&format!("{}/", folder.path().display()), ""), expected);
    }
}

#[cfg(unix)]
#[test]
fn a_dangling_link_is_a_missing_file() {
    let folder = folder();
    let link = folder.path().join("link.ndjson");
    std::os::unix::fs::symlink(folder.path().join("gone"), &link).unwrap();
    assert!(matches!(expand(&[link.display().to_string()], None), Err(InputError::Missing { .. })));
}
