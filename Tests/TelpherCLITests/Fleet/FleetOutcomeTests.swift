import TelpherFleet
import TelpherNATS
import Testing

@testable import TelpherCLI

@Suite struct FleetOutcomeTests {
  private func end(_ status: JobEnd.Status, code: Int32? = nil, signal: Int32? = nil) -> JobEnd {
    JobEnd(status, code: code, signal: signal, startedMS: 1, endedMS: 2)
  }

  /// Only a command that exited with 0 has the status 0.
  @Test func theStatusSaysHowTheJobEnded() {
    var notFound = end(.notStarted)
    notFound.errno = 2
    var notExecutable = end(.notStarted)
    notExecutable.errno = 13
    let cases: [(FinalRecord.Outcome, Int32)] = [
      (.ended(end(.exited, code: 0)), 0), (.ended(end(.exited, code: 255)), 255),
      (.ended(end(.signaled, signal: 15)), 143), (.ended(end(.timedOut)), 124),
      (.ended(notFound), 127), (.ended(notExecutable), 126), (.ended(end(.notStarted)), 125),
      (.ended(end(.canceled)), 120), (.canceled(nil), 120), (.canceled(end(.canceled)), 120),
      (.canceled(end(.exited, code: 0)), 120), (.lost("x"), 121), (.exhausted("x"), 121),
      (.dead("x"), 122), (.expired, 123),
    ]
    for (outcome, status) in cases {
      let record = FinalRecord(.random(), outcome)
      #expect(FleetOutcome.status(for: record) == status, "\(outcome)")
      let isExit = if case .ended(let end) = outcome { end.status == .exited } else { false }
      #expect((FleetOutcome.explanation(of: record) == nil) == isExit, "\(outcome)")
    }
  }

  @Test func reasonsOfOthersAreMadeSafe() {
    let record = FinalRecord(.random(), .dead("a\u{1B}[2Jb"))
    #expect(FleetOutcome.explanation(of: record) == "the job can't run: a\\x1b[2Jb")
  }
}

@Suite struct FleetFileTests {
  @Test func aFileSurvivesItsText() throws {
    var file = FleetFile()
    file.hubs = ["nats://a:1", "tls://b:2"]
    file.credentials = "w.key"
    file.api = "TJ.API"
    (file.member, file.worker) = (FleetName("w"), FleetName("w"))
    file.groups = [FleetName("web")!, FleetName("db")!]
    #expect(try FleetFile(parsing: file.text, path: "x") == file)
    #expect(try FleetFile(parsing: "# a comment\n\n \t\n", path: "x") == FleetFile())
  }

  @Test(arguments: [
    "hub", "hub a b", "worker a.b", "group *", "member /", "port 1", "hub\0 a b", "api a..b",
    "api a.>",
  ])
  func aMistakeIsReportedWithItsLine(_ line: String) {
    do {
      _ = try FleetFile(parsing: "hub a\n\(line)\n", path: "f")
      Issue.record("it is read")
    } catch {
      #expect(error.message.hasPrefix("f:2: "))
    }
  }
}
