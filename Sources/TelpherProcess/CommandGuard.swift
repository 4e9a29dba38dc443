internal import CTelpherSys
internal import Glibc
package import TelpherTransport

/// A small process that kills the running commands of this process if this process ends without
/// calling `dismiss()`: by SIGKILL, in a crash, or because memory ran out. Processes that finished
/// commands left in the background are not touched. May be used from any thread.
package final class CommandGuard: Sendable {
  /// How many commands the guard can hold at once: more than a server accepts. Each takes 16 bytes,
  /// which are touched only when used.
  package static let limit = 65_536

  /// A place for one command in the guard's table.
  package struct Slot: Sendable {
    fileprivate let number: Int
  }

  private struct Slots {
    var free: [Int] = []
    /// How many places were ever used.
    var used = 0
    var isDismissed = false
  }

  /// Never changes. The table that it points to is changed only under the lock.
  private nonisolated(unsafe) let guardian: telpher_guard
  private let slots = Monitor(Slots())

  /// Starts the guard.
  ///
  /// - Parameter groups: The open folder of the commands' control groups, or nil.
  /// - Throws: `TransportError` if no process, memory or descriptor is available.
  package init(groups: Int32?) throws(TransportError) {
    var guardian = telpher_guard()
    let result = telpher_guard_start(groups ?? -1, Self.limit, &guardian)
    guard result == 0 else { throw TransportError("start the guard of commands", errno: -result) }
    self.guardian = guardian
  }

  deinit { dismiss() }

  /// Adds a command to the guard. If this process dies, the guard kills the processes with `tag`
  /// and those in the control group `group`.
  ///
  /// - Returns: The command's place, to be freed once the command has finished. Nil if the table is
  ///   full or the guard was dismissed.
  package func book(_ tag: UInt64, group: UInt64?) -> Slot? {
    slots.withLock { slots in
      guard !slots.isDismissed, let number = slots.free.popLast() ?? Self.next(&slots) else {
        return nil
      }
      withUnsafePointer(to: guardian) { telpher_guard_set($0, number, tag, group ?? 0) }
      return Slot(number: number)
    }
  }

  /// Removes a command from the guard.
  package func free(_ slot: Slot) {
    slots.withLock { slots in
      guard !slots.isDismissed else { return }
      withUnsafePointer(to: guardian) { telpher_guard_set($0, slot.number, 0, 0) }
      slots.free.append(slot.number)
    }
  }

  /// Ends the guard without killing anything. Call it before this process ends normally. Does
  /// nothing if called again.
  package func dismiss() {
    slots.withLock { slots in
      guard !slots.isDismissed else { return }
      slots.isDismissed = true
      withUnsafePointer(to: guardian) { telpher_guard_dismiss($0) }
    }
  }

  private static func next(_ slots: inout Slots) -> Int? {
    guard slots.used < limit else { return nil }
    defer { slots.used += 1 }
    return slots.used
  }
}
