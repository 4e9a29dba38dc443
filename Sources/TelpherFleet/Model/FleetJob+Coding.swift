internal import TelpherJSON
internal import TelpherKeys
internal import TelpherText
internal import TelpherTransport
internal import TelpherWire

// The text of a job: JSON without white space, with sorted keys, so that equal jobs have equal bytes.
//
//     {"argv":["make"],"cwd":"/src","deadline_ms":60000,"env":{"A":"b"},"id":"6d3f...",
//      "limits":{"nice":5},"max_attempts":3,"merge":true,"not_after_ms":1700000000000,
//      "policy":"retry","queue":"web","v":1}
//
// Only argv, id, policy, queue and v are always there. A word that is not UTF-8 is {"base64":"..."}.
extension FleetJob {
  /// The version of the text.
  private static let version = 1

  /// A job's members.
  struct Form: Codable {
    var v: Int
    var id: String
    var queue: String
    var argv: [ByteText]
    var cwd: ByteText?
    var env: [ExactText: ByteText]?
    var limits: [String: UInt64]?
    var deadlineMS: Int64?
    var merge: Bool?
    var policy: String
    var maxAttempts: Int?
    var notAfterMS: Int64?

    enum CodingKeys: String, CodingKey {
      case v, id, queue, argv, cwd, env, limits, merge, policy
      case deadlineMS = "deadline_ms"
      case maxAttempts = "max_attempts"
      case notAfterMS = "not_after_ms"
    }
  }

  var form: Form {
    var form = Form(
      v: Self.version, id: id.description, queue: queue.description, argv: argv, cwd: directory,
      env: environment.isEmpty ? nil : environment, deadlineMS: deadline,
      merge: mergesError ? true : nil, policy: "once", notAfterMS: notAfter)
    if !limits.isEmpty {
      form.limits = Dictionary(limits.map { ($0.kind.rawValue, $0.value) }) { $1 }
    }
    if case .retry(let count) = policy {
      form.policy = "retry"
      form.maxAttempts = count
    }
    return form
  }

  /// A job of these members.
  ///
  /// - Throws: `FleetError` (`invalid`) if they are not those of a job of this version.
  init(_ form: Form) throws(FleetError) {
    guard form.v == Self.version else {
      throw FleetError(.invalid, "its version is \(form.v), and this telpher knows \(Self.version)")
    }
    guard let id = JobID(form.id) else { throw FleetError(.invalid, "its id is none") }
    guard let queue = QueueName(form.queue) else { throw FleetError(.invalid, "its queue is none") }
    self.init(id: id, queue: queue, argv: form.argv)
    directory = form.cwd
    environment = form.env ?? [:]
    for (name, value) in (form.limits ?? [:]).sorted(by: { $0.key < $1.key }) {
      guard let kind = ResourceLimit.Kind(rawValue: name) else {
        throw FleetError(.invalid, "its limit '\(name)' is not known")
      }
      limits.append(ResourceLimit(kind, value))
    }
    deadline = form.deadlineMS
    mergesError = form.merge ?? false
    notAfter = form.notAfterMS
    switch (form.policy, form.maxAttempts) {
    case ("once", nil): policy = .once
    case ("retry", let count?): policy = .retry(maxAttempts: count)
    default: throw FleetError(.invalid, "its policy '\(form.policy)' is not known")
    }
    if let fault { throw FleetError(.invalid, fault) }
  }

  /// The bytes that are signed.
  package var signedBytes: [UInt8] { FleetCoding.encode(form) }

  /// The same for two submissions of one job and for no others: 128 bits of SHA-256 in hexadecimal, of all
  /// but the time after which it does not start, which a repeated command line computes anew.
  package var digest: String {
    var form = form
    form.notAfterMS = nil
    let digits = Array("0123456789abcdef".utf8)
    let bytes = KeyDigest.sha256(FleetCoding.encode(form)).prefix(16)
    return String(
      decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }
}

/// Encodes and decodes the texts of a fleet.
enum FleetCoding {
  /// The limits of a text from a broker. Its length bounds the number of values.
  private static let limits = JSONLimits(depth: 8, keys: FleetLimits.maxVariables)

  /// The JSON of a value of this module, all of which can be encoded.
  static func encode(_ value: some Encodable) -> [UInt8] {
    do { return try JSONEncoding.encode(value) } catch {
      preconditionFailure("it holds only texts and integers: \(error)")
    }
  }

  /// The value of a text.
  ///
  /// - Throws: `FleetError` (`invalid`) if it is none.
  static func decode<Value: Decodable>(
    _ type: Value.Type, _ bytes: [UInt8]
  ) throws(FleetError) -> Value {
    do { return try JSONDecoding.decode(type, from: bytes, limits: limits) } catch {
      throw FleetError(.invalid, "it can't be read")
    }
  }
}
