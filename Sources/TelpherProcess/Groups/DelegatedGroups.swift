internal import CTelpherSys
internal import Glibc
internal import TelpherTransport

/// Control groups that root gives to another user, so that a process of this user can make groups with
/// limits below them (cgroups(7), "Delegation").
package enum DelegatedGroups {
  /// The files of a group that a process needs to write in order to move processes into groups below it
  /// and to choose their controllers. A system has some of them. The limits of the group itself stay
  /// root's.
  private static let files = [
    "cgroup.procs", "cgroup.threads", "cgroup.subtree_control", "tasks",
  ]

  /// Makes a group for `user` in each hierarchy in which this process may make one, and moves this
  /// process into all of them. Call it as root, before the process becomes the user. What fails is left
  /// out: the process can enforce fewer limits then.
  ///
  /// The groups stay locked, and so are not removed as stale, as long as this process or the program that
  /// it executes runs. The next server removes them after that.
  package static func enter(for user: UInt32, _ group: UInt32) {
    guard let mounts = readSmallText("/proc/self/mountinfo"),
      let groups = readSmallText("/proc/self/cgroup")
    else { return }
    var folders: [String] = []
    if let place = ControlGroupMount.place(mounts: mounts, groups: groups) {
      folders.append(folderWithControllers(place))
    }
    for controller in Controller.allCases {
      guard let name = controller.name(in: .one),
        let place = ControlGroupMount.place(of: name, mounts: mounts, groups: groups),
        !folders.contains(place.folder)
      else { continue }
      folders.append(place.folder)
    }
    for folder in folders { enter(folder, user, group) }
  }

  /// Where to make the group of version 2: the nearest group above that has limits for the groups below
  /// it, else the own one, whose groups serve only to find and to kill processes.
  private static func folderWithControllers(_ place: ControlGroupMount.Place) -> String {
    var path = place.folder
    while path.hasPrefix(place.mount) {
      let here = ResourceHierarchy.listed(
        Controller.allCases, in: readSmallText("\(path)/cgroup.subtree_control"))
      if here.contains(where: { $0.limit != nil }) { return path }
      guard path != place.mount, let slash = path.lastIndex(of: "/") else { break }
      path = String(path[..<slash])
    }
    return place.folder
  }

  private static func enter(_ path: String, _ user: UInt32, _ group: UInt32) {
    let parent = telpher_open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY)
    guard parent >= 0 else { return }
    defer { close(parent) }
    ServerGroup.removeStale(in: parent)
    guard let (name, folder) = try? ServerGroup.make(in: parent) else { return }
    let isGiven =
      writeSmallFile(in: folder, "cgroup.procs", "0") == 0
      && fchown(folder, user, group) == 0
      // The lock lasts as long as the descriptor, also in the next program.
      && fcntl(folder, F_SETFD, 0) == 0
    guard isGiven else {
      close(folder)
      ControlGroup.remove(name, in: parent)
      return
    }
    for file in files { _ = fchownat(folder, file, user, group, 0) }
  }
}
