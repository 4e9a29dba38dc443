internal import TelpherFiles
public import TelpherTransport

/// Sends files to one server, Telpher's or a tutorial's, one after the other on one connection. From
/// any thread, for one caller at a time.
public actor ClassicUploader {
  /// The loop that the connection lives on.
  public nonisolated let loop: any EventLoop
  /// The loop.
  public nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private let stream: PulledStream
  private let limits: ClassicLimits
  /// Whether a file was sent before.
  private var hasSent = false

  private init(_ stream: PulledStream, on loop: any EventLoop, limits: ClassicLimits) {
    self.stream = stream
    self.loop = loop
    self.limits = limits
  }

  /// What the server says at the end.
  public struct Report: Sendable, Equatable {
    /// A line for each file; none where the server says nothing, as the tutorials' do.
    public var lines: [String]
    /// Whether one of them says that a file was not stored.
    public var hasFailures: Bool { lines.contains { $0.hasPrefix("failed") } }
  }

  /// Connects to `address`.
  ///
  /// - Throws: `ClassicError`: `badRequest` for a UDP address, `unreachable` where nobody answers.
  public static func connect(
    to address: ClassicAddress, on loop: any EventLoop, limits: ClassicLimits = ClassicLimits()
  ) async throws -> ClassicUploader {
    try address.check(for: .upload)
    guard case .streams(let target) = address else {
      preconditionFailure("`check` has refused datagrams")
    }
    let opener = Opener(loop: loop)
    return ClassicUploader(
      try await opener.open(target, limits), on: loop, limits: limits)
  }

  /// Opens a stream on its loop.
  private actor Opener {
    let loop: any EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    init(loop: any EventLoop) { self.loop = loop }

    func open(
      _ address: SocketAddress, _ limits: ClassicLimits
    ) async throws(ClassicError) -> sending PulledStream {
      do throws(TransportError) {
        return PulledStream(try await loop.connect(to: address), aheadBytes: limits.aheadBytes)
      } catch {
        throw ClassicError(.unreachable, error.message)
      }
    }
  }

  /// Sends the file at `path` under its own name, with its md5.
  ///
  /// Before another file it waits until the server has read the one before, since some of the
  /// tutorials' servers read more than a file has and would store the next dictionary with it.
  ///
  /// - Returns: how many bytes it has.
  /// - Throws: `ClassicError`: `system` where it can't be read, after which another may be sent unless
  ///   its sending had begun; `lost` where the server is gone.
  public func send(_ path: String) async throws -> Int64 {
    let file = try await Blocking.run { () throws(ClassicError) in try LocalFile(path) }
    let json = UploadDictionary.json(name: file.name, size: file.size, md5: try await file.md5())
    if hasSent {
      await stream.waitUntilRead(
        on: loop, pause: limits.betweenMessages, longest: limits.serverReads)
    }
    hasSent = true
    try await stream.write(LengthPrefix.encode(Int64(json.count)) + json)
    do throws(ClassicError) {
      try await file.forEach { (chunk) throws(ClassicError) in try await stream.write(chunk) }
    } catch {
      // What came behind half a file would be taken for its rest.
      stream.close()
      throw error
    }
    return file.size
  }

  /// Ends the connection, and returns what the server says of the files.
  ///
  /// - Throws: `ClassicError` (`lost`) where the connection breaks.
  public func finish() async throws -> Report {
    stream.finishWriting()
    var bytes: [UInt8] = []
    let silence = Silence(loop: loop, longest: limits.uploadReport)
    while bytes.count <= limits.dictionaryBytes * 2, let chunk = try await silence.read(stream) {
      bytes.append(contentsOf: chunk)
    }
    stream.close()
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    return Report(lines: lines)
  }
}

/// The files that a client can send from a folder.
public enum ClassicFolder {
  /// A file.
  public struct Entry: Sendable, Equatable {
    /// Its name.
    public var name: String
    /// How many bytes it has.
    public var size: Int64
  }

  /// The regular files in `folder` that are not hidden, sorted by name. It does not wait on the
  /// caller's thread.
  ///
  /// - Throws: `ClassicError` (`system`) where the folder can't be read.
  public static func files(in folder: String) async throws -> [Entry] {
    try await Blocking.run { () throws(ClassicError) in
      do throws(FileError) {
        let folder = try Root(folder).folder(.root)
        var entries: [Entry] = []
        for bytes in try folder.names() where bytes.first != UInt8(ascii: ".") {
          guard let name = String(validating: bytes, as: UTF8.self),
            let status = try folder.status(of: bytes), status.kind == .file
          else { continue }
          entries.append(Entry(name: name, size: status.size))
        }
        return entries
      } catch {
        throw ClassicError(error)
      }
    }
  }
}
