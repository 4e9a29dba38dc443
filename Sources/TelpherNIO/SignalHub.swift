internal import CTelpherSys
internal import Glibc
internal import TelpherTransport

/// Reports the signals of this process to loops; NIO does not handle signals. A signal handler
/// writes the signal's number to a pipe. A thread reads the pipe while there are watches.
///
/// May be used from any thread. There is one hub, `shared`.
final class SignalHub: Sendable {
  static let shared = SignalHub()

  private struct State {
    /// For each signal, its watches and the functions that report it to them.
    var watches: [Int32: [ObjectIdentifier: @Sendable () -> Void]] = [:]
    /// The ends of the pipe. Nil until the first watch.
    var pipe: (reader: Int32, writer: Int32)?
    var hasThread = false
  }

  /// The byte that ends the thread if there are no watches. It is no signal's number.
  private static let noSignal: UInt8 = 0

  private let state = Monitor(State())

  /// Calls `report` on the hub's thread for each `signal`, until `remove`.
  ///
  /// - Throws: The errno of the reason why the signal can't be watched.
  func add(
    _ watch: ObjectIdentifier, _ signal: Int32, _ report: @escaping @Sendable () -> Void
  ) throws(ErrorNumber) {
    let failure: Int32 = state.withLock { state in
      if state.pipe == nil {
        var writer: Int32 = -1
        let reader = telpher_signal_pipe(&writer)
        guard reader >= 0 else { return -reader }
        state.pipe = (reader, writer)
      }
      if state.watches[signal] == nil {
        let result = telpher_catch_signal(signal, 1)
        guard result == 0 else { return -result }
      }
      guard state.hasThread || startThread({ SignalHub.shared.run() }) == 0 else { return EAGAIN }
      state.hasThread = true
      state.watches[signal, default: [:]][watch] = report
      return 0
    }
    guard failure == 0 else { throw ErrorNumber(failure) }
  }

  /// Ends a watch. After the last watch of a signal, its default action is restored.
  func remove(_ watch: ObjectIdentifier, _ signal: Int32) {
    state.withLock { state in
      state.watches[signal]?[watch] = nil
      guard state.watches[signal]?.isEmpty == true else { return }
      state.watches[signal] = nil
      _ = telpher_catch_signal(signal, 0)
      guard state.watches.isEmpty, let pipe = state.pipe else { return }
      var byte = Self.noSignal
      _ = write(pipe.writer, &byte, 1)
    }
  }

  private func run() {
    while true {
      var byte = Self.noSignal
      let reader = state.withLock { $0.pipe?.reader ?? -1 }
      let count = read(reader, &byte, 1)
      guard count == 1 || (count < 0 && errno == EINTR) else {
        preconditionFailure("a pipe is read")
      }
      if count < 0 { continue }
      let reports = state.withLock { state -> [@Sendable () -> Void]? in
        // A new watch may have been added meanwhile.
        if byte == Self.noSignal && state.watches.isEmpty {
          state.hasThread = false
          return nil
        }
        return state.watches[Int32(byte)].map { Array($0.values) } ?? []
      }
      guard let reports else { return }
      for report in reports { report() }
    }
  }
}
