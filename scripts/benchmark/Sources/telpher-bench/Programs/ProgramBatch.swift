internal import CTelpherSys
internal import Glibc

/// Runs a program many times from one thread, a fixed number at a time.
enum ProgramBatch {
  private struct Running {
    var pid: pid_t
    var begin: UInt64
  }

  /// Runs `arguments` `count` times, `inFlight` at a time, and drops the output.
  ///
  /// - Returns: programs per second, and how long each took.
  /// - Throws: `Failure` if one cannot be started or fails.
  static func run(_ arguments: [String], count: Int, inFlight: Int = 1) throws(Failure) -> Sample {
    var running: [Int32: Running] = [:]
    var latencies: [UInt64] = []
    latencies.reserveCapacity(count)
    var started = 0
    let begin = monotonicNow()
    while latencies.count < count {
      while started < count, running.count < inFlight {
        started += 1
        let now = monotonicNow()
        let pid = try start(arguments)
        running[telpher_pidfd_open(pid)] = Running(pid: pid, begin: now)
      }
      var wanted = running.keys.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
      guard poll(&wanted, nfds_t(wanted.count), 60_000) > 0 else {
        throw Failure("\(arguments[0]) did not end within 60 s")
      }
      for descriptor in wanted where descriptor.revents != 0 {
        guard let ended = running.removeValue(forKey: descriptor.fd) else { continue }
        try reap(ended.pid, arguments[0])
        close(descriptor.fd)
        latencies.append(monotonicNow() - ended.begin)
      }
    }
    return Sample(perSecond: count, since: begin, latencies: latencies)
  }

  private static func start(_ arguments: [String]) throws(Failure) -> pid_t {
    var spawn = Spawn(arguments)
    defer { spawn.free() }
    _ = try spawn.connect(STDIN_FILENO, to: .null)
    _ = try spawn.connect(STDOUT_FILENO, to: .null)
    return try spawn.start()
  }

  private static func reap(_ pid: pid_t, _ name: String) throws(Failure) {
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
    guard status == 0 else {
      throw Failure("\(name) ended with \(Program.Ending(status: status).description)")
    }
  }
}
