import Glibc
import Logging
import TelpherAccess
import TelpherJSON
import TelpherTestSupport
import TelpherTransport
import TelpherTransportTesting
import TelpherWire
import Testing

@testable import TelpherServer

/// Refused clients are in the audit, but no flood of them fills the disk.
@Suite(.timeLimit(.minutes(15))) struct RefusalAuditTests {
  private let sandbox: Sandbox
  private let log: AuditLog

  init() throws {
    sandbox = try Sandbox()
    log = try AuditLog(.file(sandbox.inside("audit")), isRequired: false)
  }

  private func records() throws -> [AuditRecord] {
    let lines = (sandbox.text("audit") ?? "").split(separator: "\n")
    return try lines.map { try JSONDecoding.decode(AuditRecord.self, from: Array($0.utf8)) }
  }

  @Test func aWrongProofIsRecordedWithItsSource() async throws {
    try await Fixture.inMemory(configure: {
      $0.audit = log
      $0.tokens = TokenSource(.random())
    }) { fixture in
      let tcp = try await fixture.server.listen(at: .tcp(host: "127.0.0.1", port: 0))
      let stranger = try await RawPeer.connect(to: tcp, on: fixture.clientLoop)
      await stranger.send(hello(provingHello))
      let transcript = try await stranger.transcript()
      let proof = TokenProver(.random(), at: tcp).proof(of: .client, over: transcript)
      await stranger.send(RawFrame(type: 11, payload: proof).bytes)
      try await stranger.end()
      // A client that has connected and then breaks the protocol has other records.
      let client = try await fixture.client()
      await client.send(RawFrame(type: 0x90, payload: []).bytes)
      try await client.end()
      try await eventually("the connection has ended") {
        try self.records().contains { $0.event == .disconnect }
      }
    }
    let records = try records()
    #expect(records.map(\.event) == [.refused, .connect, .disconnect])
    let refused = try #require(records.first)
    #expect(refused.source.contains("127.0.0.1"))
    #expect(refused.identity == "unknown" && refused.proof == "none" && refused.connection == 0)
    #expect(refused.message?.contains("token") == true, "\(refused.message ?? "")")
  }

  @Test func aFloodHasAFewRecordsAndOneWithTheirNumber() async throws {
    let loop = MemoryLoop(network: MemoryNetwork())
    var silent = Logger(label: "test")
    silent.logLevel = .critical
    let (log, logger) = (log, silent)
    loop.execute {
      let refusals = RefusalLog(logger, audit: log, loop: loop, period: 10_000_000)
      for number in 0..<1_000 {
        refusals.record(
          "refused",
          Refusal(peer: .network(address: "192.0.2.1", isLoopback: false), why: "\(number)"))
      }
      // It lives until the period has ended.
      _ = loop.schedule(after: 3_600_000_000_000) { _ = refusals }
    }
    try await eventually("the number is recorded") {
      try self.records().contains { $0.count != nil }
    }
    await loop.shutDown()
    let records = try records()
    #expect(
      records.map(\.message).prefix(LogBudget.lines) == (0..<LogBudget.lines).map { "\($0)" }[...])
    #expect(records.count == LogBudget.lines + 1)
    #expect(records.last?.count == 1_000 - LogBudget.lines)
    #expect(records.allSatisfy { $0.event == .refused })
  }
}
