import TelpherJSON
import TelpherKeys
import TelpherTestSupport
import TelpherText
import TelpherTransport
import TelpherWire
import Testing

@testable import TelpherFleet

@Suite struct FleetRecordTests {
  static var job: FleetJob {
    var job = FleetJob(
      id: JobID("00112233445566778899aabbccddeeff")!, queue: QueueName("web")!,
      argv: ["make", ByteText([0xFF, 0x80]), ""])
    job.directory = "/src"
    job.environment = ["A": "b", "Ä": ByteText([1, 0xFE])]
    job.limits = [ResourceLimit(.nice, 5), ResourceLimit(.treeMemoryBytes, 1 << 30)]
    job.deadline = 60_000
    job.mergesError = true
    job.policy = .retry(maxAttempts: 3)
    job.notAfter = 1_700_000_000_000
    return job
  }

  @Test func aJobSurvivesItsText() throws {
    for job in [Self.job, FleetJob(id: .random(), queue: QueueName("@w")!, argv: ["ls"])] {
      let form = try FleetCoding.decode(FleetJob.Form.self, job.signedBytes)
      #expect(try FleetJob(form) == job)
    }
    let small = FleetJob(id: Self.job.id, queue: QueueName("web")!, argv: ["ls", "-l"])
    #expect(
      String(decoding: small.signedBytes, as: UTF8.self)
        == #"{"argv":["ls","-l"],"id":"00112233445566778899aabbccddeeff","policy":"once","queue":"web","v":1}"#
    )
  }

  @Test func jobsThatMakeNoSenseAreRefused() throws {
    func fault(_ change: (inout FleetJob) -> Void) -> String? {
      var job = Self.job
      change(&job)
      return job.fault
    }
    #expect(fault { _ in } == nil)
    #expect(fault { $0 = FleetJob(id: $0.id, queue: $0.queue, argv: []) } != nil)
    #expect(fault { $0 = FleetJob(id: $0.id, queue: $0.queue, argv: [""]) } != nil)
    #expect(fault { $0 = FleetJob(id: $0.id, queue: $0.queue, argv: [ByteText([65, 0])]) } != nil)
    #expect(fault { $0.environment = ["": "x"] } != nil)
    #expect(fault { $0.environment = ["a=b": "x"] } != nil)
    #expect(fault { $0.environment = ["a": ByteText([0])] } != nil)
    #expect(fault { $0.limits = [ResourceLimit(.nice, 1), ResourceLimit(.nice, 2)] } != nil)
    #expect(fault { $0.deadline = 0 } != nil)
    #expect(fault { $0.deadline = -1 } != nil)
    #expect(fault { $0.deadline = .max } != nil)
    #expect(fault { $0.policy = .retry(maxAttempts: 0) } != nil)
    #expect(fault { $0.policy = .retry(maxAttempts: 101) } != nil)
  }

  @Test(.enabled(if: KeyFolder.hasTools)) func onlyThePayloadThatWasSignedCounts() throws {
    let folder = try KeyFolder()
    try folder.make("key", ["-t", "ed25519"])
    let signature = try SSHKeygen.sign(
      Self.job.signedBytes, with: folder.file("key"), namespace: SignedJob.namespace,
      environment: ["PATH=/usr/bin:/bin"])
    let payload = SignedJob(Self.job, signature: signature).payload
    let read = try SignedJob(payload: payload)
    #expect(read.job == Self.job)
    #expect(read.signer == (try folder.publicKey("key")).fingerprint)
    #expect(
      read.signature.verify(read.job.signedBytes, namespace: SignedJob.namespace) == .valid(nil))
    // White space, another order and unknown keys make another text of the same job.
    let text = String(decoding: payload, as: UTF8.self)
    for other in [
      text + " ", text.replacing("\"v\":1", with: "\"v\": 1"),
      text.replacing("\"v\":1", with: "\"v\":1,\"w\":2"), text.replacing("web", with: "\\u0077eb"),
      text.replacing("\"v\":1", with: "\"v\":2"), "{}", "", "[]", "{\"job\":{}}",
      text.replacing("\"policy\":\"retry\"", with: "\"policy\":\"often\""),
    ] {
      #expect(throws: FleetError.self, "\(other)") { try SignedJob(payload: Array(other.utf8)) }
    }
    // A changed job can be read, but its signature is wrong.
    let moved = try SignedJob(payload: Array(text.replacing("\"web\"", with: "\"db1\"").utf8))
    #expect(
      moved.signature.verify(moved.job.signedBytes, namespace: SignedJob.namespace) == .invalid)
    for index in payload.indices {
      var damaged = payload
      damaged[index] ^= 1
      guard let job = try? SignedJob(payload: damaged) else { continue }
      #expect(
        job.signature.verify(job.job.signedBytes, namespace: SignedJob.namespace) == .invalid,
        "\(index)")
    }
  }

  static let finals: [FinalRecord] = {
    let id = JobID("00112233445566778899aabbccddeeff")!
    let worker = WorkerName("w")!
    var end = JobEnd(.notStarted, startedMS: 1, endedMS: 2)
    (end.errno, end.message) = (2, "no such file")
    return [
      FinalRecord(
        id, .ended(JobEnd(.exited, code: 3, startedMS: 1, endedMS: 2)), worker: worker, attempt: 1),
      FinalRecord(id, .ended(JobEnd(.signaled, signal: 9, startedMS: 1, endedMS: 2))),
      FinalRecord(id, .ended(end)), FinalRecord(id, .lost("gone")), FinalRecord(id, .dead("bad")),
      FinalRecord(id, .exhausted("gone"), worker: worker, attempt: 3),
      FinalRecord(id, .canceled(nil)),
      FinalRecord(id, .canceled(JobEnd(.canceled, startedMS: 1, endedMS: 2))),
      FinalRecord(id, .expired),
    ]
  }()

  @Test func aFinalRecordSurvivesItsText() throws {
    for final in Self.finals {
      #expect(try FinalRecord(payload: final.payload, of: final.id) == final)
      #expect(throws: FleetError.self) { try FinalRecord(payload: final.payload, of: .random()) }
      let claim = Claim.end(final)
      #expect(try Claim(payload: claim.payload, of: final.id) == claim)
    }
    let claim = Claim.run(
      ClaimHolder(ClaimOwner(WorkerName("w")!, journal: .random()), attempt: 2))
    #expect(try Claim(payload: claim.payload, of: .random()) == claim)
  }

  @Test(arguments: [
    #"{"id":"00112233445566778899aabbccddeeff","outcome":"ended","v":1}"#,
    #"{"end":{"ended_ms":2,"error_bytes":0,"output_bytes":0,"result":"exited","started_ms":1},"id":"00112233445566778899aabbccddeeff","outcome":"ended","v":1}"#,
    #"{"end":{"code":0,"ended_ms":2,"error_bytes":0,"output_bytes":0,"result":"timed_out","started_ms":1},"id":"00112233445566778899aabbccddeeff","outcome":"ended","v":1}"#,
    #"{"end":{"code":0,"signal":9,"ended_ms":2,"error_bytes":0,"output_bytes":0,"result":"signaled","started_ms":1},"id":"00112233445566778899aabbccddeeff","outcome":"ended","v":1}"#,
    #"{"id":"00112233445566778899aabbccddeeff","outcome":"fine","v":1}"#,
    #"{"id":"00112233445566778899aabbccddeeff","outcome":"expired","v":2}"#, "", "{}",
  ])
  func aDamagedFinalRecordIsNeverAnEnd(_ text: String) {
    #expect(throws: FleetError.self) {
      try FinalRecord(
        payload: Array(text.utf8), of: JobID("00112233445566778899aabbccddeeff")!)
    }
  }

  @Test func onlyAnEndReplacesALoss() {
    for final in Self.finals {
      for other in Self.finals {
        let isEnd =
          switch final.outcome {
          case .ended, .canceled(.some): true
          default: false
          }
        let isLoss =
          switch other.outcome {
          case .lost, .exhausted: true
          default: false
          }
        #expect(final.replaces(other) == (isEnd && isLoss))
      }
    }
  }
}
