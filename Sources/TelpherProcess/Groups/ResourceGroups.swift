internal import CTelpherSys
internal import Glibc
package import TelpherTransport

/// The control groups with limits of one server. A group serves one command and is then removed: its
/// counters can't be set back to 0 (see docs/decisions.md for the cost). May be used from any
/// thread.
///
/// Nothing is looked up or made before the first use, so that a server without such commands does
/// not pay for it.
package final class ResourceGroups: Sendable {
  /// How many groups with leftover processes are checked for each command, oldest first.
  private static let sweptPerCommand = 4

  private struct State {
    /// Nil before the first use.
    var hierarchies: [ResourceHierarchy]?
    var groupsMade: UInt64 = 0
    /// Groups whose command has ended and in which processes still run.
    var leftovers: [(hierarchy: ResourceHierarchy, name: String)] = []
    var isShutDown = false
  }

  private let state = Monitor(State())

  /// No groups yet.
  package init() {}

  /// The limits that groups of this process can enforce. The first use takes some milliseconds.
  package var kinds: Set<ResourceLimit.Kind> {
    Set(hierarchies().flatMap(\.controllers).compactMap(\.limit))
  }

  private func hierarchies() -> [ResourceHierarchy] {
    state.withLock { state in
      if let hierarchies = state.hierarchies { return hierarchies }
      let found = state.isShutDown ? [] : ResourceHierarchy.all()
      state.hierarchies = found
      return found
    }
  }

  /// Makes a group with those of the request's limits that hold for a whole tree. Returns nil if it
  /// has none.
  ///
  /// - Throws: `SpawnError`. Nothing is left of the group then.
  package func make(for request: SpawnRequest) throws(SpawnError) -> ResourceGroup? {
    let limits = request.limits.filter(\.kind.isOfTree)
    guard !limits.isEmpty else { return nil }
    sweep()
    let hierarchies = hierarchies()
    let number = state.withLock { state in
      state.groupsMade += 1
      return state.groupsMade
    }
    let group = ResourceGroup(number: number, hierarchies, of: self)
    for limit in limits { try group.set(limit) }
    return group
  }

  /// Removes the groups of a command that has ended, or those that have become empty later.
  func remove(_ name: String, in hierarchies: [ResourceHierarchy]) {
    for hierarchy in hierarchies where !ControlGroup.remove(name, in: hierarchy.folder) {
      state.withLock { $0.leftovers.append((hierarchy, name)) }
    }
  }

  private func sweep() {
    let some = state.withLock { state in
      let some = Array(state.leftovers.prefix(Self.sweptPerCommand))
      state.leftovers.removeFirst(some.count)
      return some
    }
    for (hierarchy, name) in some { remove(name, in: [hierarchy]) }
  }

  /// Removes the server's groups unless processes are left in one below them. Call it after the last
  /// launch.
  package func shutDown() {
    let hierarchies = state.withLock { state in
      state.isShutDown = true
      return state.hierarchies ?? []
    }
    for hierarchy in hierarchies { hierarchy.shutDown() }
  }
}
