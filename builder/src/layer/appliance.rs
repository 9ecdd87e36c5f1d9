//! A definition as the document that `init` reads: names become numbers.

use bedplate_contract::{Appliance, appliance, service};

use super::{
    EPOCH, LayerError,
    accounts::{AccountError, Accounts},
    config::account,
};
use crate::definition::{Definition, Service, Volume};

/// The document, with the numbers of `accounts`.
pub(super) fn appliance(
    definition: &Definition,
    accounts: &Accounts,
) -> Result<Appliance, LayerError> {
    let profile = &definition.profile;
    let volumes = definition.volumes.iter().map(|item| volume(item, accounts));
    let services = definition
        .services
        .iter()
        .map(|item| service(item, accounts));
    Ok(Appliance {
        schema: Default::default(),
        name: definition.image.name.clone(),
        version: definition.image.version.clone(),
        profile: profile.name.clone(),
        built_ms: EPOCH.unsigned_abs() * 1000,
        requirements: profile.requirements.clone(),
        sysctl: profile.sysctl.clone(),
        hugepages: profile.hugepages,
        network: definition.network.clone(),
        firewall: definition.firewall.is_some(),
        volumes: volumes.collect::<Result<_, _>>()?,
        secrets: definition.secrets.clone(),
        services: services.collect::<Result<_, _>>()?,
        backups: definition.backups.clone(),
        gate: definition.gate.clone(),
        log: definition.log.clone(),
        watchdog_ms: definition.watchdog_ms,
    })
}

fn volume(volume: &Volume, accounts: &Accounts) -> Result<appliance::Volume, LayerError> {
    let owner = accounts.owner(&volume.owner);
    let owner = owner.map_err(|e| account(format!("volume `{}`", volume.name), e))?;
    Ok(appliance::Volume {
        name: volume.name.clone(),
        path: volume.path.clone(),
        uid: owner.uid,
        gid: owner.gid,
        mode: volume.mode,
        data_schema: volume.data_schema,
        executable: volume.executable,
    })
}

fn service(service: &Service, accounts: &Accounts) -> Result<service::Service, LayerError> {
    let failed = |e| account(format!("service `{}`", service.name), e);
    let owner = accounts.user(&service.user).map_err(failed)?;
    let groups = groups(service, accounts).map_err(failed)?;
    let service = service.clone();
    Ok(service::Service {
        name: service.name,
        kind: service.kind,
        schedule: service.schedule,
        run: service.run,
        uid: owner.uid,
        gid: owner.gid,
        groups,
        environment: service.environment,
        secret_environment: service.secret_environment,
        secrets: service.secrets,
        working_directory: service.working_directory.unwrap_or_else(|| "/".to_owned()),
        root: None,
        mounts: Vec::new(),
        runtime_directories: service.runtime_directories,
        config: service.config,
        private_tmp_bytes: service.private_tmp_bytes,
        gpu: service.gpu,
        devices: service.devices,
        capabilities: service.capabilities,
        sandbox: service.sandbox,
        network: service.network,
        wait: service.wait,
        requires: service.requires,
        after: service.after,
        essential: service.essential,
        restart: service.restart,
        startup: service.startup,
        ready: service.ready,
        live: service.live,
        checks: service.checks,
        limits: service.limits,
        stop: service.stop,
    })
}

/// The groups of the service and those that list its user, as a login would give; sorted.
fn groups(service: &Service, accounts: &Accounts) -> Result<Vec<u32>, AccountError> {
    let named = service.groups.iter().map(|name| accounts.group(name));
    let mut groups = named.collect::<Result<Vec<u32>, _>>()?;
    groups.extend(accounts.memberships(&service.user));
    groups.sort_unstable();
    groups.dedup();
    Ok(groups)
}
