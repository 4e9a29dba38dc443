internal import CTelpherSys
internal import Glibc
internal import TelpherTransport

extension ResourceHierarchy {
  /// Makes a group in the hierarchy of version 2, in which a group that has processes can't have
  /// controllers for the groups below it.
  ///
  /// It is made in this process's own group if that was delegated to this process alone (systemd's
  /// Delegate=yes): this process then moves to a group below. Else it is made in the nearest group
  /// above that has controllers for the groups below it and in which this process may make one.
  static func ofVersionTwo(
    at place: ControlGroupMount.Place, _ controllers: [Controller]
  ) -> ResourceHierarchy? {
    var path = place.folder
    if path != place.mount, let own = delegated(path, controllers) { return own }
    while path.hasPrefix(place.mount) {
      let here = listed(controllers, in: readSmallText("\(path)/cgroup.subtree_control"))
      // `io` alone enforces nothing.
      if here.contains(where: { $0.limit != nil }),
        let hierarchy = ResourceHierarchy(.two, in: path, here)
      {
        return hierarchy
      }
      guard path != place.mount, let slash = path.lastIndex(of: "/") else { return nil }
      path = String(path[..<slash])
    }
    return nil
  }

  /// Those of `controllers` that a file of version 2 lists.
  static func listed(_ controllers: [Controller], in text: String?) -> [Controller] {
    let names = (text ?? "").split(whereSeparator: \.isWhitespace)
    return controllers.filter { controller in
      controller.name(in: .two).map { names.contains(Substring($0)) } == true
    }
  }

  /// The name of the group below the own one to which a server moves.
  private static let ownName = "telpher-server"

  /// Uses this process's own group `path` if it has controllers, and no processes but this one and
  /// its guard. Nothing is changed if that is not so.
  private static func delegated(
    _ path: String, _ controllers: [Controller]
  ) -> ResourceHierarchy? {
    let here = listed(controllers, in: readSmallText("\(path)/cgroup.controllers"))
    guard here.contains(where: { $0.limit != nil }) else { return nil }
    let folder = telpher_open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY)
    guard folder >= 0 else { return nil }
    defer { close(folder) }
    guard faccessat(folder, "cgroup.subtree_control", W_OK, 0) == 0,
      faccessat(folder, "cgroup.procs", W_OK, 0) == 0
    else { return nil }
    let pids = (readSmallText(in: folder, "cgroup.procs") ?? "").split(separator: "\n")
      .compactMap { Int32($0) }
    guard pids.contains(getpid()), pids.allSatisfy(isOurs),
      mkdirat(folder, ownName, 0o755) == 0
    else { return nil }
    func move(to procs: String) -> Bool {
      pids.allSatisfy { writeSmallFile(in: folder, procs, "\($0)") == 0 }
    }
    if move(to: "\(ownName)/cgroup.procs") {
      let enabled = here.filter { enable($0, in: folder) }
      if enabled.contains(where: { $0.limit != nil }),
        let hierarchy = ResourceHierarchy(.two, in: path, enabled)
      {
        return hierarchy
      }
      // Disable the controllers first; a group can contain processes again only after that.
      for controller in enabled { disable(controller, in: folder) }
    }
    _ = move(to: "cgroup.procs")
    ControlGroup.remove(ownName, in: folder)
    return nil
  }

  /// Whether the process is this one or its guard, whose name guard.c sets.
  private static func isOurs(_ pid: Int32) -> Bool {
    pid == getpid() || readSmallText("/proc/\(pid)/comm") == "telpher-guard\n"
  }
}
