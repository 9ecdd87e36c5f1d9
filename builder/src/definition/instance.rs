//! Instances: one `[[service]]` table read once per instance, each with its own template values.
//!
//! `instances = ["a", "b"]` names them; a `[[service.instance]]` table names one and adds to it.
//! Strings of the service see `instance.name`, `instance.port` and `instance.values.*`.

use std::collections::BTreeMap;

use minijinja::{Value, context};

use super::{
    content::{Inputs, check_unique},
    decode::Table,
    environment, name,
    source::At,
    template::Scope,
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
    /// Laid over the service's.
    pub environment: BTreeMap<String, String>,
    /// Replaces the service's.
    pub essential: Option<bool>,
}

/// The instances of `service`; one without a name when it has none.
pub(super) fn read(service: &Table<'_>, (sources, scope): &Inputs<'_>) -> Vec<Instance> {
    let mut seen = Vec::new();
    let mut instances = Vec::new();
    for name in service.strings("instances") {
        check_unique(service.problems(), "instance", &name, &mut seen);
        let title = "invalid name of an instance";
        service
            .problems()
            .keep(&name, title, name::service(&name.value));
        instances.push(bare(Some(name.value), scope));
    }
    for table in service.tables("instance") {
        let table = table.with_scope(scope);
        instances.push(table.decode(|table| {
            let name = table.required("name", name::service);
            check_unique(table.problems(), "instance", &name, &mut seen);
            detailed(table, name.value, &(*sources, *scope))
        }));
    }
    match instances.is_empty() {
        true => vec![bare(None, scope)],
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
        environment: BTreeMap::new(),
        essential: None,
    }
}

fn detailed(table: &Table<'_>, name: String, (sources, scope): &Inputs<'_>) -> Instance {
    let port = table
        .integer::<u16>("port", 1..65_536)
        .map(|port| port.value);
    let values = table.map("values").into_iter();
    let values: BTreeMap<_, _> = values
        .map(|(key, value)| (key.value, value.value))
        .collect();
    let mut fields = BTreeMap::from([("name", Value::from(name.as_str()))]);
    fields.insert("values", Value::from_pairs(values));
    // Without the key, `instance.port` is undefined, and using it an error.
    fields.extend(port.map(|port| ("port", Value::from(port))));
    let scope = scope.with_instance(Value::from_pairs(fields));
    let mut environment = BTreeMap::new();
    environment::read(table, sources, &mut environment);
    Instance {
        requires: table.strings("requires"),
        after: table.strings("after"),
        essential: table.boolean("essential"),
        name: Some(name),
        scope,
        environment,
    }
}
