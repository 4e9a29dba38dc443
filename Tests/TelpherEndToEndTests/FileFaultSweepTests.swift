import Glibc
import TelpherClient
import TelpherFileStore
import TelpherTestSupport
import TelpherTransfer
import Testing
import TelpherTransport

/// Makes every system call of a receiver on files fail once: the first call of its kind, then the
/// second, and so on until a transfer makes fewer calls. The program's status must be 0 if and only
/// if the destination is the same as the source.
@Suite(
  .timeLimit(.minutes(60)),
  .enabled(if: FaultInjector.isPossible, "the kernel does not let calls be injected"))
struct FileFaultSweepTests {
  /// The calls and their errors. The first error is tried always, the others if TELPHER_SLOW is
  /// set.
  private static let faults: [(call: String, errors: [Int32])] = [
    ("openat", [EMFILE, EACCES, EROFS, ENOSPC, EDQUOT, EIO, EOPNOTSUPP]),
    ("openat2", [EACCES, EMFILE, EIO]),
    ("pwrite64", [ENOSPC, EIO, EDQUOT]),
    ("pread64", [EIO]),
    ("ftruncate", [EIO, ENOSPC]),
    ("fallocate", [ENOSPC]),
    ("fsync", [EIO]),
    ("fdatasync", [EIO]),
    ("syncfs", [EIO, ENOSPC]),
    ("renameat2", [EIO, EACCES, EROFS, ENOSPC, EDQUOT]),
    ("linkat", [ENOSPC, EIO, EACCES, EROFS, EPERM]),
    ("symlinkat", [ENOSPC, EACCES]),
    ("readlinkat", [EIO]),
    ("mkdirat", [ENOSPC, EACCES, EROFS]),
    ("unlinkat", [EIO, EACCES]),
    ("fchmod", [EIO, EPERM]),
    ("fchmodat", [EIO, EPERM]),
    ("utimensat", [EIO, EACCES]),
    ("fstat", [EACCES, EIO]),
    ("getdents64", [EIO]),
    ("flock", [ENOLCK]),
    ("lseek", [EIO]),
  ]
  /// If one of these calls fails, the files may be correct all the same. The status still reports a
  /// failure, because they may not be on the disk.
  private static let syncs = ["fsync", "fdatasync", "syncfs"]
  /// More calls than a transfer makes of one kind.
  private static let mostTurns = 500

  @Test(arguments: SystemBackend.whereHeavy, FaultSubject.Transfer.allCases)
  func aFailureOfAnyCallOfAReceiverIsReported(
    _ backend: SystemBackend, _ transfer: FaultSubject.Transfer
  ) async throws {
    try await Self.sweepAll(backend, transfer, Self.faults, usesTLS: false)
  }

  /// The calls of the sample over TLS: not those that read files, since a connection with TLS needs the
  /// files of its keys.
  private static let sampled: Set = [
    "pwrite64", "ftruncate", "fsync", "renameat2", "linkat", "symlinkat", "mkdirat", "fchmod",
    "utimensat",
  ]

  @Test(arguments: [FaultSubject.Transfer.putTree, .getTree])
  func aFailureIsReportedOverTLSToo(_ transfer: FaultSubject.Transfer) async throws {
    try await Self.sweepAll(
      .uv, transfer, Self.faults.filter { Self.sampled.contains($0.call) }, usesTLS: true)
  }

  private static func sweepAll(
    _ backend: SystemBackend, _ transfer: FaultSubject.Transfer,
    _ faults: [(call: String, errors: [Int32])], usesTLS: Bool
  ) async throws {
    try await FileServer.with { files in
      let subject = FaultSubject(transfer: transfer, files: files)
      try subject.makeSource()
      let control = files.folder + "/control"
      let wrapper = transfer.isPut ? [String(FaultInjector.program), control, "--"] : []
      try await files.serve(backend, wrapper: wrapper, usesTLS: usesTLS) { _, server in
        let injector = transfer.isPut ? try await FaultInjector(at: control) : nil
        var runs = 0
        for (call, errors) in faults {
          for error in Scale.pick(fast: Array(errors.prefix(1)), full: errors) {
            runs += try Self.sweep(subject, backend, server, injector, call, error)
          }
        }
        print(
          "\(runs) faults of a receiver: \(transfer.rawValue) on \(backend.rawValue)\(usesTLS ? " over TLS" : "")"
        )
        #expect(runs > 10)
      }
    }
  }

  /// Makes each call of one kind fail in a separate transfer; returns the number of calls that
  /// failed.
  private static func sweep(
    _ subject: FaultSubject, _ backend: SystemBackend, _ server: [String],
    _ injector: FaultInjector?, _ call: String, _ error: Int32
  ) throws -> Int {
    for turn in 1...mostTurns {
      let what =
        "\(subject.transfer.rawValue) on \(backend.rawValue), \(call) \(turn): "
        + describe(errno: error)
      try subject.makeDestination()
      let before = try subject.snapshot()
      let run: (status: Int32, message: String)
      let count: Int
      if let injector {
        try injector.arm(call, error, turn)
        run = try self.run(subject, backend, server)
        count = try injector.stop()
      } else {
        let report = subject.files.folder + "/report"
        run = try self.run(
          subject, backend, server,
          through: [String(FaultInjector.program), "-", call, "\(error)", "\(turn)", report, "--"])
        count = try #require(
          Int(String(decoding: subject.files.read(report) ?? [], as: UTF8.self).dropLast()))
      }
      let isSame = try subject.check(before: before, mayLeavePartials: call == "unlinkat", what)
      // An fstat failure counts as a failure even if the destination file is already identical.
      let isOfSameFile = call == "fstat" && run.message.contains("there/same")
      let mayBeSame = (syncs.contains(call) || isOfSameFile) && count >= turn
      #expect(
        run.status == 0 ? isSame : !isSame || mayBeSame,
        "\(what): status \(run.status), \(isSame ? "the same" : "not the same"); \(run.message)")
      #expect(run.status == 0 || run.status == 1, "\(what): status \(run.status); \(run.message)")
      if run.status != 0 {
        let isNamed = [subject.name, subject.folder].contains { run.message.contains($0) }
        #expect(isNamed, "\(what): no path in '\(run.message)'")
      }
      // The fault must not leave anything that makes the next transfer fail.
      let next = try self.run(subject, backend, server)
      let isSameNow = try subject.check(before: [:], mayLeavePartials: call == "unlinkat", what)
      #expect(next.status == 0 && isSameNow, "the transfer after \(what): \(next)")
      if count < turn {
        #expect(run.status == 0, "\(what): no fault, but \(run.message)")
        return turn - 1
      }
    }
    Issue.record("\(call) comes too often")
    return mostTurns
  }

  /// Runs the program; returns its status and the text of its standard error.
  ///
  /// - Parameter server: the options that name the server.
  private static func run(
    _ subject: FaultSubject, _ backend: SystemBackend, _ server: [String],
    through wrapper: [String] = []
  ) throws -> (status: Int32, message: String) {
    let (files, transfer) = (subject.files, subject.transfer)
    let errors = files.folder + "/errors"
    let here = "\(subject.source)/\(subject.name)"
    let arguments =
      switch transfer {
      case .put: ["put", here, subject.folder]
      case .putTree: ["put", "-r", here, subject.folder]
      case .putStream: ["put", "-", subject.folder + "/" + subject.name]
      case .get: ["get", subject.name, files.local]
      case .getTree: ["get", "-r", subject.name, files.local]
      }
    let ending = LocalShell.run(
      [
        "/bin/sh", "-c",
        "exec timeout 120 \"$@\" 2>\(errors) <\(transfer == .putStream ? here : "/dev/null")", "sh",
      ]
        + wrapper + [backend.program, arguments[0]] + server
        + arguments.dropFirst(),
      environment: ["PATH=/usr/bin:/bin", "HOME=\(files.folder)"])
    let message = String(decoding: files.read(errors) ?? [], as: UTF8.self)
    guard case .exited(let status) = ending else {
      Issue.record("\(ending): \(message)")
      return (-1, message)
    }
    return (status, message)
  }
}
