//! `[[tree]]`: application code, from a directory, a wheel or an image.

use super::{
    Known, Tree, TreeOrigin,
    content::{check_unique, visible_path},
    decode::Table,
    literal, name,
    problem::Problem,
    source::At,
    wheel,
};

/// `[[tree]]`, paths each once.
pub(super) fn read_trees(root: &Table<'_>, known: &Known<'_>) -> Vec<Tree> {
    let mut paths = Vec::new();
    let mut read = |table: &Table<'_>| {
        let path = visible_path(table, known);
        check_unique(table.problems(), "tree", &path, &mut paths);
        Tree {
            path: path.value,
            origin: read_origin(table, known),
            owner: known.accounts.owner(table),
        }
    };
    let tables = root.tables("tree").into_iter();
    tables.map(|table| table.decode(&mut read)).collect()
}

fn read_origin(table: &Table<'_>, known: &Known<'_>) -> TreeOrigin {
    let directory = table.string("source");
    let wheel = table.string("wheel");
    let image = table.string("oci");
    let from = read_from(table);
    if from.is_some() && image.is_none() {
        table.fail("`from` without `oci`", "names a directory of an image");
    }
    match (directory, wheel, image) {
        (Some(source), None, None) => read_directory(table, source, known),
        (None, Some(source), None) => read_wheel(table, source, known),
        (None, None, Some(_)) => read_image(table, from, known),
        _ => {
            let label = "needs one of `source`, `wheel` and `oci`";
            table.fail("not one origin of the files", label);
            TreeOrigin::Directory(Default::default())
        }
    }
}

fn read_from(table: &Table<'_>) -> Option<String> {
    let check = |text: &str| match text {
        "/" => Ok(text.to_owned()),
        _ => name::absolute(text),
    };
    table.parsed("from", check).map(|from| from.value)
}

fn read_directory(table: &Table<'_>, source: At<String>, known: &Known<'_>) -> TreeOrigin {
    let found = known.sources.existing(&source);
    if let Some(found) = &found {
        literal::check_tree(found, &source, table.problems());
    }
    TreeOrigin::Directory(found.unwrap_or_default())
}

fn read_wheel(table: &Table<'_>, source: At<String>, known: &Known<'_>) -> TreeOrigin {
    let found = known.sources.existing(&source).unwrap_or_default();
    if !found.as_os_str().is_empty() {
        let title = format!("cannot take the wheel `{}`", source.value);
        let files = wheel::load(&found).map_err(|error| error.to_string());
        table.problems().keep(&source, &title, files);
    }
    TreeOrigin::Wheel(found)
}

/// Services may be left out, application code may not: what runs it would find nothing.
fn read_image(table: &Table<'_>, from: Option<String>, known: &Known<'_>) -> TreeOrigin {
    let found = known.images.find(table, "oci");
    if let Some(image) = found
        .as_ref()
        .filter(|image| known.images.is_absent(&image.value))
    {
        let title = format!(
            "the tree comes from the image `{}`, and no registry is named",
            image.value
        );
        let problem = Problem::error(title).at(&image.place, "cannot be left out");
        let help = format!(
            "name one with `--registry HOST[:PORT]`, or give its layout with `--oci {}=DIR`",
            image.value
        );
        table.problems().add(problem.help(help));
    }
    TreeOrigin::Image {
        name: found.map(|image| image.value).unwrap_or_default(),
        from: from.unwrap_or_else(|| "/".to_owned()),
    }
}
