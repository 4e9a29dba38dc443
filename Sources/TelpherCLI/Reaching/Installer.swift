internal import Glibc
internal import Synchronization
internal import TelpherClient
internal import TelpherTransport

/// Whether telpher may be copied to a place that lacks it.
enum InstallPolicy: String, CaseIterable, Codable, Sendable {
  /// The user is asked on the terminal; without one, it is not copied.
  case ask
  case always
  case never
}

/// Copies telpher to a place that lacks it.
struct Installer {
  let policy: InstallPolicy
  /// The whole environment of the program that carries the connection.
  let environment: [SystemString: SystemString]
  /// Whether that program may ask on the terminal.
  var asks = true

  /// The environment variable that names a static telpher.
  static let variable = "TELPHER_STATIC"

  /// Connects to a server of this version at the place of `carrier`: the one on the PATH there, or a
  /// copy. If nothing may be copied, connects to the one on the PATH whatever its version.
  ///
  /// - Throws: `ClientError`; `notInstalled` with advice if there is none.
  func connect(
    to carrier: Carrier, on loop: any EventLoop, timeout: Duration?
  ) async throws -> Connection {
    guard policy != .never, carrier.canInstall else {
      return try await connectToPath(carrier, on: loop, timeout)
    }
    guard let path = program else {
      return try await connectToPath(
        carrier, on: loop, timeout,
        advice:
          "a telpher that scripts/dist has built copies itself there, and this one copies the program that $\(Self.variable) names"
      )
    }
    let installation = try Installation(path, version: Program.version)
    let policy = policy
    let isDeclined = Mutex(false)
    do {
      let connection = try await Connection.connect(
        to: carrier, on: loop, environment: environment, timeout: timeout, asks: asks,
        installing: installation
      ) {
        let isAllowed = policy == .always ? true : await Self.asks(carrier, installation)
        if !isAllowed { isDeclined.withLock { $0 = true } }
        return isAllowed
      }
      try await Self.compareVersion(of: connection, carrier, Self.advice)
      return connection
    } catch let error as ClientError where error.code == .notInstalled {
      guard !isDeclined.withLock({ $0 }) else { throw Self.advised(error, Self.advice) }
      // The copy failed, for example because the place has another processor. Its own telpher may
      // work.
      do {
        return try await connectToPath(carrier, on: loop, timeout, advice: Self.advice)
      } catch let second as ClientError where second.code == .notInstalled {
        throw policy == .always ? error : second
      }
    }
  }

  /// - Parameter advice: what would copy telpher.
  private func connectToPath(
    _ carrier: Carrier, on loop: any EventLoop, _ timeout: Duration?, advice: String? = nil
  ) async throws -> Connection {
    let connection: Connection
    do {
      connection = try await Connection.connect(
        through: carrier, on: loop, environment: environment, timeout: timeout, asks: asks)
    } catch let error as ClientError where error.code == .notInstalled {
      throw Self.advised(error, advice)
    }
    if let advice { try await Self.compareVersion(of: connection, carrier, advice) }
    return connection
  }

  /// The advice if the user was not asked, or has declined.
  private static let advice = "'--install always' copies this telpher there"

  private static func advised(_ error: ClientError, _ advice: String?) -> ClientError {
    ClientError(error.code, error.message + (advice.map { "; or \($0)" } ?? ""))
  }

  /// Reports on standard error if the server is of another version.
  private static func compareVersion(
    of connection: Connection, _ carrier: Carrier, _ advice: String
  ) async throws {
    guard let server = try await connection.serverHello().server, server != Program.name else {
      return
    }
    Descriptor.complain("\(carrier.place) has \(server), and this is \(Program.name): \(advice)")
  }

  /// The path of a telpher that runs on every Linux of this processor: the one that the user names,
  /// or this program if it is static; nil if there is none.
  private var program: String? {
    if let path = environment[SystemString(Self.variable)], !path.bytes.isEmpty {
      return path.description
    }
    return Self.isStatic("/proc/self/exe") ? "/proc/self/exe" : nil
  }

  /// Whether the file is a 64-bit ELF program without an interpreter (elf(5)), which would load
  /// libraries:
  ///
  ///     offset  0  7F 'E' 'L' 'F' 2 (64 bits)
  ///     offset 32  8 bytes: the offset of the program headers
  ///     offset 54  2 bytes: the length of one; 2 bytes: their number
  ///
  /// The first 4 bytes of a program header are its type.
  static func isStatic(_ path: String) -> Bool {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return false }
    defer { close(file) }
    guard let header = bytes(64, of: file, at: 0), header.starts(with: [0x7F, 0x45, 0x4C, 0x46, 2])
    else { return false }
    let (start, length) = (number(header[32..<40]), number(header[54..<56]))
    let interpreter: UInt64 = 3
    for index in 0..<number(header[56..<58]) {
      let (distance, isLong) = index.multipliedReportingOverflow(by: length)
      let (offset, isFar) = start.addingReportingOverflow(distance)
      guard !isLong, !isFar, let place = Int(exactly: offset),
        let type = bytes(4, of: file, at: place)
      else { return false }
      if number(type[...]) == interpreter { return false }
    }
    return true
  }

  private static func bytes(_ count: Int, of file: Int32, at offset: Int) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    return pread(file, &bytes, count, off_t(offset)) == count ? bytes : nil
  }

  /// A number in the byte order of this machine's programs (little-endian).
  private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// Asks on the terminal; without one, the answer is no.
  private static func asks(_ carrier: Carrier, _ installation: Installation) async -> Bool {
    let number = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)
    guard number >= 0 else { return false }
    let terminal = Descriptor(number: number, name: "the terminal")
    let size = Amount.bytes(Int64(installation.size))
    let answer = await Question(
      terminal,
      "telpher: copy telpher (\(size)) to \(carrier.place), into ~/.cache/telpher/\(installation.name)? [y/N] "
    ).answer()
    close(number)
    return ["y", "yes"].contains(answer.lowercased())
  }
}
