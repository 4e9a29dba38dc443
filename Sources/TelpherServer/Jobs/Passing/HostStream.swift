internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// A stream to a job host, as the connection to it sees it. Use it only on its loop's thread.
protocol HostStream: AnyObject {
  /// The payload of the OPEN for the host.
  var request: [UInt8] { get }
  var noInput: Bool { get }
  /// The result if no host listens; nil if one must be started then.
  var withoutHost: CloseResult? { get }
  /// Whether it still waits for the host or its answer.
  var isOpen: Bool { get }

  /// The stream to the host is open.
  func didOpen(_ far: StreamID, over host: Link)
  /// The host can't be reached, and has run nothing.
  func refuse(_ reason: String)
  /// Ends the stream, which the host has not got.
  func finish(_ result: CloseResult)

  func receiveFromHost(_ chunk: Chunk, _ channel: Channel)
  func finishFromHost(_ channel: Channel)
  func receiveControlFromHost(_ message: [UInt8])
  /// The host has ended its stream.
  func hostDidEnd(_ ending: HostEnding)
}

/// How a job host has ended a stream.
enum HostEnding {
  /// With this CLOSE.
  case close([UInt8])
  /// With a RESET, or because the connection to it is lost.
  case reset(ErrorCode, String)
}
