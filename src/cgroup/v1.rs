//! The place on v1: below our own cgroup of the controller's hierarchy.

use belljar_harness::host::Lack;
use nix::errno::Errno;

use super::lack;
use super::place::{Place, Version, may_write};
use super::procfs::{Membership, Mount};

/// Finds the place in the hierarchy that `own` is a membership of.
pub(super) fn place(own: &Membership<'_>, mounts: &[Mount]) -> Result<Place, Lack> {
    let hierarchy = own.controllers;
    let mut ours = mounts.iter().filter(|mount| mount.has_v1(hierarchy)).peekable();
    if ours.peek().is_none() {
        return Err(lack::v1_not_mounted(hierarchy));
    }
    // Of several mounts of one hierarchy the writable one serves; of two on one
    // point the later hides the earlier.
    let mut candidates: Vec<&Mount> = ours.collect();
    candidates.reverse();
    candidates.sort_by_key(|mount| mount.read_only);
    let Some((mount, folder)) =
        candidates.iter().find_map(|mount| Some((*mount, mount.folder_of(own.path)?)))
    else {
        return Err(lack::not_shown(own.path, &candidates[0].point));
    };
    match Version::of(&folder) {
        Ok(Some(Version::V1)) => {}
        Ok(_) => return Err(lack::no_cgroup_folder(&folder)),
        Err(error) => return Err(lack::unreadable(&folder, error)),
    }
    if mount.read_only {
        return Err(lack::read_only(&mount.point));
    }
    match may_write(&folder).and_then(|()| may_write(&folder.join("cgroup.procs"))) {
        Ok(()) => {}
        Err(Errno::EROFS) => return Err(lack::read_only(&mount.point)),
        Err(error) => return Err(lack::v1_not_ours(hierarchy, &folder, error)),
    }
    Ok(Place {
        version: Version::V1,
        hierarchy: hierarchy.to_owned(),
        folder,
        cgroup: own.path.to_owned(),
    })
}
