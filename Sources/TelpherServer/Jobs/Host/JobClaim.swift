internal import Glibc
internal import TelpherFileStore
internal import TelpherJSON
internal import TelpherJournal
internal import TelpherTransport
internal import TelpherWire

/// The claim of a job's id: what its request was, and where the job was started.
struct JobClaim: Sendable, Codable {
  /// The id: 32 hexadecimal digits.
  let id: String
  let name: String?
  /// Whether the command runs on a terminal; nil is false, as in claims of older versions.
  let terminal: Bool?
  /// The digest of the client's request; nil if the claim can't be read (then no request matches
  /// it).
  let digest: String?
  /// The command's words, cut if they are long.
  let argv: [ByteText]
  /// In milliseconds since 1970.
  let createdMS: Int64
  /// The boot of the machine in which the job was started.
  let boot: String
  private let journalBytes: UInt64
  private let blocksWhenFull: Bool

  /// The claim of a request that has an id.
  init(_ request: RunRequest, id: String) {
    self.id = id
    name = request.name
    terminal = request.terminal == nil ? nil : true
    digest = request.claim ?? Self.digest(of: request)
    argv = JobRecord.shortened(request.words)
    createdMS = Self.now
    boot = Self.currentBoot
    journalBytes = request.journal?.bytes ?? JournalLimit.defaultBytes
    blocksWhenFull = request.journal?.whenFull == .block
  }

  /// The claim of a job whose claim can't be read: only its id is known.
  init(unreadable id: String, createdMS: Int64) {
    self.id = id
    name = nil
    terminal = nil
    digest = nil
    argv = []
    self.createdMS = createdMS
    boot = ""
    journalBytes = JournalLimit.defaultBytes
    blocksWhenFull = false
  }

  /// The claim that `encoded` has written; nil if it is none.
  init?(_ bytes: [UInt8]) {
    guard let claim = try? JSONDecoding.decode(JobClaim.self, from: bytes) else { return nil }
    self = claim
  }

  /// The settings of its journal.
  var settings: JournalSettings {
    JournalSettings(bytes: journalBytes, whenFull: blocksWhenFull ? .block : .dropOldest)
  }

  /// The id as bytes.
  var idBytes: [UInt8] { Self.bytes(of: id) }

  /// An id as bytes.
  static func bytes(of id: String) -> [UInt8] {
    let digits = Array(id.utf8)
    return stride(from: 0, to: digits.count, by: 2).map { index in
      UInt8(String(decoding: digits[index..<index + 2], as: UTF8.self), radix: 16) ?? 0
    }
  }

  func encoded() -> [UInt8] {
    do { return try JSONEncoding.encode(self) } catch {
      preconditionFailure("a claim holds only strings and numbers: \(error)")
    }
  }

  /// The result of the job if its host has not recorded one.
  func unknownResult(_ totals: JournalOffsets) -> CloseResult {
    var result = CloseResult(
      .unknown,
      message: boot == Self.currentBoot
        ? "the end of the job was not seen: the process that kept it (telpher job-host) was killed"
        : "the end of the job was not seen: the machine has restarted since it was started")
    result.bytes = ["1": totals.output, "2": totals.error]
    result.job = id
    return result
  }

  /// The digest of a request as its client has sent it. Equal requests have equal ones.
  static func digest(of request: RunRequest) -> String {
    var request = request
    (request.claim, request.terms) = (nil, nil)
    var hasher = FileHasher(.sha256)
    do {
      try JSONEncoding.encode(request).withUnsafeBytes { hasher.update($0) }
    } catch {
      preconditionFailure("a request holds only strings and numbers: \(error)")
    }
    return hasher.digest
  }

  /// In milliseconds since 1970.
  static var now: Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
  }

  /// The id of this boot of the machine: proc_sys_kernel(5).
  private static let currentBoot: String = {
    let file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return "" }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 64)
    let count = read(file, &bytes, bytes.count)
    return String(decoding: bytes.prefix(max(0, count)).prefix { $0 != 0x0A }, as: UTF8.self)
  }()
}

extension RunRequest {
  /// The words of the command, for people.
  fileprivate var words: [ByteText] {
    if let argv { return argv }
    if let shell { return [shell] }
    return ["login shell"]
  }
}
