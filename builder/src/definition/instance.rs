//! Instances: one `[[service]]` table read once per instance, each with its own template values.
//!
//! `instances = ["a", "b"]` names them; a `[[service.instance]]` table names one and adds to it.
//! Strings of the service see `instance.name`, `instance.port` and `instance.values.*`.

use std::collections::BTreeMap;

use minijinja::{Value, context};

use super::{
    Known,
    content::check_unique,
    decode::Table,
    environment, name, port,
    source::At,
    template::{Scope, typed},
};

/// One reading of a service table.
#[derive(Debug)]
pub(super) struct Instance {
    /// `None` for a service without instances.
    pub name: Option<String>,
    /// What its templates see.
    pub scope: Scope,
    /// Added to the service's.
    pub requires: Vec<At<String>>,
    /// Added to the service's.
    pub after: Vec<At<String>>,
    /// Added to the service's.
    pub ports: Vec<At<u16>>,
    /// Laid over the service's.
    pub environment: BTreeMap<String, String>,
    /// Replaces the service's.
    pub essential: Option<bool>,
}

/// The instances of `service`; one without a name when it has none.
pub(super) fn read(service: &Table<'_>, known: &Known<'_>) -> Vec<Instance> {
    let mut seen = Vec::new();
    let mut instances = Vec::new();
    for name in service.strings("instances") {
        check_unique(service.problems(), "instance", &name, &mut seen);
        let title = "invalid name of an instance";
        service
            .problems()
            .keep(&name, title, name::service(&name.value));
        instances.push(bare(Some(name.value), known.scope));
    }
    for table in service.tables("instance") {
        let (name, scope) = identity(&table, known.scope);
        check_unique(table.problems(), "instance", &name, &mut seen);
        let table = table.with_scope(&scope);
        instances.push(table.decode(|table| detailed(table, name.value, scope.clone(), known)));
    }
    match instances.is_empty() {
        true => vec![bare(None, known.scope)],
        false => instances,
    }
}

fn bare(name: Option<String>, scope: &Scope) -> Instance {
    let value = match &name {
        Some(name) => context! { name => name.as_str() },
        None => Value::UNDEFINED,
    };
    Instance {
        name,
        scope: scope.with_instance(value),
        requires: Vec::new(),
        after: Vec::new(),
        ports: Vec::new(),
        environment: BTreeMap::new(),
        essential: None,
    }
}

/// `name`, `port` and `values`, and a scope in which the rest of the table sees them.
fn identity(table: &Table<'_>, scope: &Scope) -> (At<String>, Scope) {
    let name = table.required("name", name::service);
    let values = table.map("values").into_iter();
    let values = values.map(|(key, value)| (key.value, typed(&value.value)));
    let mut fields = vec![
        ("name", Value::from(name.value.as_str())),
        ("values", Value::from_pairs(values)),
    ];
    // Without the key, `instance.port` is undefined, and using it an error.
    let port = table.integer::<u16>("port", 1..65_536);
    fields.extend(port.map(|port| ("port", Value::from(port.value))));
    let scope = scope.with_instance(Value::from_pairs(fields));
    (name, scope)
}

fn detailed(table: &Table<'_>, name: String, scope: Scope, known: &Known<'_>) -> Instance {
    table.know(&["name", "values", "port"]);
    let mut environment = BTreeMap::new();
    environment::read(table, known.sources, &mut environment);
    Instance {
        requires: table.strings("requires"),
        after: table.strings("after"),
        ports: port::read(table),
        essential: table.boolean("essential"),
        name: Some(name),
        scope,
        environment,
    }
}
