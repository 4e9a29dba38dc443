internal import CTelpherSys
internal import Glibc
internal import TelpherTransport

/// A hierarchy of control groups in which this process may make groups with limits: the one of
/// version 2, or one of version 1 with some controllers. May be used from any thread.
final class ResourceHierarchy: Sendable {
  let version: GroupVersion
  /// The controllers that the commands' groups have.
  let controllers: [Controller]
  /// The open folder of the server's group, which holds the commands' groups.
  let folder: Int32
  private let parent: Int32
  private let name: String

  /// Makes the server's group in `parent`, and first removes those of servers that have ended.
  /// Returns nil if this process may not make it, or if it has none of `controllers`.
  init?(_ version: GroupVersion, in path: String, _ wanted: [Controller]) {
    let parent = telpher_open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY)
    guard parent >= 0 else { return nil }
    // To move a process into a group below `parent`, this process must be allowed to write here
    // (cgroups(7), "Delegation").
    guard faccessat(parent, "cgroup.procs", W_OK, 0) == 0 else {
      close(parent)
      return nil
    }
    ServerGroup.removeStale(in: parent)
    guard let (name, folder) = try? ServerGroup.make(in: parent) else {
      close(parent)
      return nil
    }
    let controllers =
      version == .one ? wanted : wanted.filter { Self.enable($0, in: folder) }
    guard !controllers.isEmpty else {
      close(folder)
      ControlGroup.remove(name, in: parent)
      close(parent)
      return nil
    }
    self.version = version
    self.controllers = controllers
    self.folder = folder
    self.parent = parent
    self.name = name
  }

  deinit {
    close(folder)
    close(parent)
  }

  /// Lets the groups below `folder`, of version 2, have the controller.
  static func enable(_ controller: Controller, in folder: Int32) -> Bool {
    guard let name = controller.name(in: .two) else { return false }
    return writeSmallFile(in: folder, "cgroup.subtree_control", "+\(name)") == 0
  }

  /// Takes the controller from the groups below `folder`.
  static func disable(_ controller: Controller, in folder: Int32) {
    guard let name = controller.name(in: .two) else { return }
    _ = writeSmallFile(in: folder, "cgroup.subtree_control", "-\(name)")
  }

  /// Sets a limit of the group whose folder is `group`.
  ///
  /// - Throws: The errno of the file that could not be written.
  func set(
    _ controller: Controller, limit value: UInt64, in group: Int32
  ) throws(ErrorNumber) {
    try Self.set(controller.settings(limit: value, in: version), in: group)
  }

  /// Writes settings to files of the folder `group`.
  static func set(_ settings: [Controller.Setting], in group: Int32) throws(ErrorNumber) {
    for setting in settings {
      let error = writeSmallFile(in: group, setting.file, setting.text)
      guard error == 0 || !setting.isNeeded else { throw ErrorNumber(error) }
    }
  }

  /// Adds to `usage` what the controllers have counted in the folder `group`.
  func count(in group: Int32, into usage: inout GroupUsage) {
    for controller in controllers {
      controller.count(in: version, into: &usage) { readSmallText(in: group, $0) }
    }
  }

  /// Removes the server's group unless processes are left in a group below it.
  func shutDown() { ControlGroup.remove(name, in: parent) }
}

extension ResourceHierarchy {
  /// The hierarchies in which this process may make groups with limits. No controller is in two of
  /// them.
  static func all() -> [ResourceHierarchy] {
    guard let mounts = readSmallText("/proc/self/mountinfo"),
      let groups = readSmallText("/proc/self/cgroup")
    else { return [] }
    var left = Controller.allCases
    var found: [ResourceHierarchy] = []
    func add(_ hierarchy: ResourceHierarchy?) {
      guard let hierarchy else { return }
      left.removeAll { hierarchy.controllers.contains($0) }
      found.append(hierarchy)
    }
    if let place = ControlGroupMount.place(mounts: mounts, groups: groups) {
      add(ofVersionTwo(at: place, left))
    }
    // Several controllers may share one hierarchy (cpu,cpuacct).
    var folders: [(folder: String, controllers: [Controller])] = []
    for controller in left {
      guard let name = controller.name(in: .one),
        let place = ControlGroupMount.place(of: name, mounts: mounts, groups: groups)
      else { continue }
      if let index = folders.firstIndex(where: { $0.folder == place.folder }) {
        folders[index].controllers.append(controller)
      } else {
        folders.append((place.folder, [controller]))
      }
    }
    for (folder, controllers) in folders {
      add(ResourceHierarchy(.one, in: folder, controllers))
    }
    return found
  }
}
