internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// A question of this server to a job host, which is answered with a CLOSE and nothing else. Use it
/// only on its loop's thread.
final class HostQuestion: HostStream {
  private enum State {
    /// The host is being reached. Next: open, over.
    case waiting
    /// The host has the question. Next: over.
    case open(StreamID, Link)
    /// It is answered, or given up. Final.
    case over
  }

  let request: [UInt8]
  let noInput = true
  let withoutHost: CloseResult?
  private unowned let passage: JobPassage
  private let didAnswer: (CloseResult) -> Void
  private var state = State.waiting

  /// - Parameters:
  ///   - result: the answer if no host listens; nil if one is started then.
  ///   - didAnswer: called at most once.
  init(
    _ request: [UInt8], through passage: JobPassage, withoutHost result: CloseResult?,
    didAnswer: @escaping (CloseResult) -> Void
  ) {
    self.request = request
    self.passage = passage
    withoutHost = result
    self.didAnswer = didAnswer
  }

  var isOpen: Bool { if case .over = state { false } else { true } }

  /// Gives the question up: no answer follows.
  func cancel() {
    if case .open(let far, let host) = state {
      host.reset(far, .canceled, reason: "the client is gone")
      passage.streamDidEnd(far)
    }
    state = .over
  }

  func didOpen(_ far: StreamID, over host: Link) { state = .open(far, host) }

  func refuse(_ reason: String) { finish(CloseResult(.refused, message: reason)) }

  func finish(_ result: CloseResult) {
    guard isOpen else { return }
    if case .open(let far, _) = state { passage.streamDidEnd(far) }
    state = .over
    didAnswer(result)
  }

  // An answer has no output.
  func receiveFromHost(_ chunk: Chunk, _ channel: Channel) {
    if case .open(let far, let host) = state { host.consume(far, channel, chunk.count) }
  }
  func finishFromHost(_ channel: Channel) {}
  func receiveControlFromHost(_ message: [UInt8]) {}

  func hostDidEnd(_ ending: HostEnding) {
    switch ending {
    case .close(let bytes):
      do throws(WireError) {
        finish(try CloseResult.decode(bytes))
      } catch {
        refuse(error.message)
      }
    case .reset(_, let reason): refuse(reason)
    }
  }
}
