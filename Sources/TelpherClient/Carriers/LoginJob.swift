internal import Glibc
internal import TelpherTransport

/// Decides what happens to this process's group when a carrier in the foreground of its terminal is
/// stopped or ends.
enum LoginJob {
  /// Which process group is in the foreground of the terminal.
  enum Foreground {
    /// That of this process.
    case own
    /// That of the carrier.
    case carrier
    /// Another one, such as the shell's.
    case other
  }

  /// What to do.
  enum Action: Equatable {
    /// Nothing.
    case wait
    /// Put the carrier's group into the foreground and continue it.
    case lend
    /// Continue the carrier's group where it is.
    case continueCarrier
    /// Take the terminal back and stop this process's group by this signal.
    case stopJob(Int32)
    /// End the carrier: it waits for a terminal that it can't get.
    case giveUp
  }

  /// A signal has stopped the carrier.
  ///
  /// - Parameter canStop: whether the signal would stop this process's group.
  static func carrierDidStop(
    by signal: Int32, foreground: Foreground, canStop: (Int32) -> Bool
  ) -> Action {
    let wantsTerminal = signal == SIGTTIN || signal == SIGTTOU
    switch foreground {
    case .own where wantsTerminal: return .lend
    // Its group was moved to the foreground between its attempt and now.
    case .carrier where wantsTerminal: return .continueCarrier
    case .own, .carrier, .other: break
    }
    // Nothing could continue a group that SIGSTOP has stopped without a shell.
    let signal = signal == SIGSTOP ? SIGTSTP : signal
    if canStop(signal) { return .stopJob(signal) }
    return wantsTerminal ? .giveUp : .continueCarrier
  }

  /// The signal of the terminal that has ended the carrier; nil if none has.
  ///
  /// - Parameter ending: how the carrier has ended; nil if it runs.
  static func interruption(_ ending: ProcessExit.Status?) -> Int32? {
    switch ending {
    case .signaled(let signal, _) where signal == SIGINT || signal == SIGQUIT: signal
    // As a shell reports it, and programs that catch the signal.
    case .exited(128 + SIGINT): SIGINT
    case .exited(128 + SIGQUIT): SIGQUIT
    case .exited, .signaled, nil: nil
    }
  }

  /// Whether `signal` would stop this process: it does not ignore the signal, and its group is not
  /// orphaned. The kernel does not stop an orphaned group, since no shell could continue it:
  /// setpgid(2).
  static func canStop(_ signal: Int32) -> Bool {
    var action = sigaction()
    // SIG_IGN is the pointer 1.
    guard sigaction(signal, nil, &action) == 0,
      unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) != 1
    else { return false }
    var parent = getppid()
    // A parent in the same group may be a script, whose own parent is the shell.
    while parent > 1, getsid(parent) == getsid(0) {
      guard getpgid(parent) == getpgrp() else { return true }
      guard let next = self.parent(of: parent), next != parent else { return false }
      parent = next
    }
    return false
  }

  /// The parent of a process: proc_pid_stat(5).
  private static func parent(of pid: pid_t) -> pid_t? {
    guard let file = fopen("/proc/\(pid)/stat", "re") else { return nil }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 512)
    guard fgets(&line, Int32(line.count), file) != nil else { return nil }
    let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    // The name of the program is in parentheses and may contain some.
    guard let end = text.lastIndex(of: ")") else { return nil }
    let fields = text[text.index(after: end)...].split(separator: " ")
    return fields.count > 1 ? pid_t(fields[1]) : nil
  }
}
