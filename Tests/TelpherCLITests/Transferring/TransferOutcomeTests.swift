import Glibc
import TelpherClient
import Testing

@testable import TelpherCLI

struct TransferOutcomeTests {
  private func report(failed: Int) -> TransferReport {
    var report = TransferReport()
    report.counts.unsent = failed
    report.failures = (0..<min(failed, 25)).map {
      TransferFailure(path: "f\($0)", message: "cannot read 'f\($0)': gone")
    }
    return report
  }

  @Test func eachOutcomeHasItsExitStatus() {
    #expect(TransferOutcome.finished(TransferReport()).status == 0)
    #expect(TransferOutcome.finished(report(failed: 1)).status == 1)
    #expect(TransferOutcome.failed(FileError(.notFound, "x")).status == 1)
    #expect(TransferOutcome.broken(Failure("x")).status == 125)
    #expect(TransferOutcome.interrupted(SIGINT, TransferProgress()).status == 130)
    #expect(TransferOutcome.interrupted(SIGTERM, TransferProgress()).status == 143)
  }

  @Test func aCanceledTransferIsInterruptedNotFailed() {
    let canceled = TransferOutcome(
      .failure(CancellationError()), signal: SIGINT, at: TransferProgress())
    #expect(canceled.status == 130)
    let late = TransferOutcome(
      .success(TransferReport()), signal: SIGINT, at: TransferProgress())
    #expect(late.status == 0)
    let broken = TransferOutcome(
      .failure(FileError(.protocolError, "x")), signal: nil, at: TransferProgress())
    #expect(broken.status == 125)
  }

  @Test func twentyFailuresAreListedAndTheRestCounted() {
    let lines = TransferOutcome.finished(report(failed: 1_234)).complaints
    #expect(lines.count == 21)
    #expect(lines.first == "cannot read 'f0': gone")
    #expect(lines.last == "and 1214 more failures")
    #expect(TransferOutcome.finished(report(failed: 20)).complaints.count == 20)
  }

  @Test func aFailureLineNamesThePathAndEscapesControlCharacters() {
    let failure = TransferFailure(path: "a", message: "no\n\u{1B}[2Jspace \\x0a")
    #expect(failure.line == "a: no\\x0a\\x1b[2Jspace \\x0a")
  }

  @Test func anInterruptReportsTheBytesKept() {
    var progress = TransferProgress()
    #expect(TransferOutcome.interrupted(SIGINT, progress).complaints == ["interrupted"])
    progress.path = "big"
    progress.pathBytes = 5_000_000
    let lines = TransferOutcome.interrupted(SIGINT, progress).complaints
    #expect(lines.count == 1)
    #expect(lines[0].hasPrefix("interrupted: up to 5.0 MB of 'big' are kept; "))
    #expect(lines[0].contains("--resume"))
  }
}
