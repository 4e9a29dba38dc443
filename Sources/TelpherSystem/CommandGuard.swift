internal import CTelpherSys
internal import Glibc
package import TelpherTransport

/// A small process that ends this process's running commands if this process ends without saying so:
/// by SIGKILL, for want of memory, in a crash. What finished commands have left in the background is
/// left alone. From any thread.
package final class CommandGuard: Sendable {
  /// Commands at once. It is more than a server takes, and 16 bytes each, touched only when used.
  package static let limit = 65_536

  /// A place in the guard's table.
  package struct Slot: Sendable {
    fileprivate let number: Int
  }

  private struct Slots {
    var free: [Int] = []
    /// How many were ever used.
    var used = 0
    var isDismissed = false
  }

  /// Never changes; the table that it points to is changed under the lock.
  private nonisolated(unsafe) let guardian: telpher_guard
  private let slots = Lock(Slots())

  /// Starts the guard.
  ///
  /// - Parameter groups: the open folder that holds the commands' control groups, or nil.
  /// - Throws: `TransportError` where no process, memory or descriptor is to be had.
  package init(groups: Int32?) throws(TransportError) {
    var guardian = telpher_guard()
    let result = telpher_guard_start(groups ?? -1, Self.limit, &guardian)
    guard result == 0 else { throw TransportError("start the guard of commands", errno: -result) }
    self.guardian = guardian
  }

  deinit { dismiss() }

  /// Has the guard end the processes with `tag`, and those in the control group of this number.
  ///
  /// - Returns: the place to be freed once the command has finished; nil where all are taken.
  package func book(_ tag: UInt64, group: UInt64?) -> Slot? {
    slots.withLock { slots in
      guard !slots.isDismissed, let number = slots.free.popLast() ?? Self.next(&slots) else {
        return nil
      }
      withUnsafePointer(to: guardian) { telpher_guard_set($0, number, tag, group ?? 0) }
      return Slot(number: number)
    }
  }

  /// The guard leaves the command alone from now on.
  package func free(_ slot: Slot) {
    slots.withLock { slots in
      guard !slots.isDismissed else { return }
      withUnsafePointer(to: guardian) { telpher_guard_set($0, slot.number, 0, 0) }
      slots.free.append(slot.number)
    }
  }

  /// Ends the guard: this process ends in order, or leaves its commands to themselves.
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
