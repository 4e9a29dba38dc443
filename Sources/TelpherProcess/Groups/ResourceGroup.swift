internal import CTelpherSys
internal import Glibc
package import TelpherTransport

/// The control group of one command with limits: a folder in each hierarchy that has controllers.
/// May be used from any thread.
package final class ResourceGroup: Sendable {
  /// The name of the folders: unlike those of `ControlGroup`, which the guard knows.
  private let name: String
  private let hierarchies: [ResourceHierarchy]
  private let owner: ResourceGroups
  private let isRemoved = Monitor(false)

  /// A group without folders.
  init(number: UInt64, _ hierarchies: [ResourceHierarchy], of owner: ResourceGroups) {
    name = "limited-\(number)"
    self.hierarchies = hierarchies
    self.owner = owner
  }

  deinit { remove() }

  /// Sets a limit of the group.
  ///
  /// - Throws: `SpawnError` of stage `limit`: no hierarchy has the controller, or the kernel refuses;
  ///   of stage `resources` if descriptors or memory ran out.
  func set(_ limit: ResourceLimit) throws(SpawnError) {
    for hierarchy in hierarchies {
      guard let controller = hierarchy.controllers.first(where: { $0.limit == limit.kind }) else {
        continue
      }
      do throws(ErrorNumber) {
        try withFolder(in: hierarchy, makes: true) { (folder) throws(ErrorNumber) in
          try hierarchy.set(controller, limit: limit.value, in: folder)
        }
        return
      } catch {
        // Descriptors and memory may be free again later.
        let isTemporary = [EMFILE, ENFILE, ENOMEM].contains(error.value)
        throw SpawnError(
          stage: isTemporary ? .resources : .limit, errno: error.value,
          message:
            "cannot limit \(limit.kind.optionName) to \(limit.valueText): \(describe(errno: error.value))"
        )
      }
    }
    throw SpawnError(
      stage: .limit, errno: ENOTSUP,
      message: "cannot limit \(limit.kind.optionName): no control group has the controller for it")
  }

  /// Opens the group's folder of version 2, in which a process can start. Nil if its controllers are
  /// all of version 1.
  ///
  /// - Throws: `SpawnError` of stage `resources` if it can't be opened.
  func controlGroup() throws(SpawnError) -> ControlGroup? {
    guard let hierarchy = hierarchies.first(where: { $0.version == .two }) else { return nil }
    do throws(ErrorNumber) {
      return try ControlGroup(limited: name, in: hierarchy.folder)
    } catch {
      throw Self.cannotEnter(error.value)
    }
  }

  /// Calls `body` with open files, each in one of the group's folders. A process that writes `0` to
  /// all of them is in these folders.
  ///
  /// - Parameter all: Whether to include the folder of version 2.
  /// - Throws: `SpawnError` of stage `resources` if a file can't be opened.
  func withEntrances<Value>(
    all: Bool, _ body: (UnsafeBufferPointer<Int32>) -> Value
  ) throws(SpawnError) -> Value {
    var files: [Int32] = []
    defer { for file in files { close(file) } }
    do throws(ErrorNumber) {
      for hierarchy in hierarchies where all || hierarchy.version == .one {
        try withFolder(in: hierarchy, makes: true) { (folder) throws(ErrorNumber) in
          let file = telpher_open_at(folder, "cgroup.procs", O_WRONLY)
          guard file >= 0 else { throw ErrorNumber(-file) }
          files.append(file)
        }
      }
    } catch {
      throw Self.cannotEnter(error.value)
    }
    return files.withUnsafeBufferPointer(body)
  }

  /// Moves the process `pid` into the group.
  ///
  /// - Throws: `SpawnError` of stage `resources` if the kernel refuses.
  package func enter(_ pid: Int32) throws(SpawnError) {
    let error: Int32 = try withEntrances(all: true) { files in
      for file in files {
        let text = "\(pid)"
        guard write(file, text, text.utf8.count) >= 0 else { return errno }
      }
      return 0
    }
    guard error == 0 else { throw Self.cannotEnter(error) }
  }

  private static func cannotEnter(_ error: Int32) -> SpawnError {
    SpawnError(
      stage: .resources, errno: error,
      message: "cannot start a process in a control group with limits: \(describe(errno: error))")
  }

  /// What the group has counted so far.
  package var usage: GroupUsage {
    var usage = GroupUsage()
    for hierarchy in hierarchies {
      try? withFolder(in: hierarchy, makes: false) { folder in
        hierarchy.count(in: folder, into: &usage)
      }
    }
    return usage
  }

  /// Removes the group, at once or after the last process in it has ended. Does nothing if called
  /// again.
  package func remove() {
    let isFirst = isRemoved.withLock { isRemoved in
      defer { isRemoved = true }
      return !isRemoved
    }
    if isFirst { owner.remove(name, in: hierarchies) }
  }

  /// Calls `body` with the open folder of the group in `hierarchy`.
  private func withFolder(
    in hierarchy: ResourceHierarchy, makes: Bool, _ body: (Int32) throws(ErrorNumber) -> Void
  ) throws(ErrorNumber) {
    if makes, mkdirat(hierarchy.folder, name, 0o755) != 0, errno != EEXIST {
      throw ErrorNumber(errno)
    }
    let folder = telpher_open_at(hierarchy.folder, name, O_RDONLY | O_DIRECTORY)
    guard folder >= 0 else { throw ErrorNumber(-folder) }
    defer { close(folder) }
    try body(folder)
  }
}
