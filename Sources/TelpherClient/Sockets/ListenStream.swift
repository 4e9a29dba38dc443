internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// The client's side of a socket that listens at the server. Use it only on the loop's thread.
final class ListenStream: SocketStream {
  /// What happens on the stream.
  enum Event {
    /// The server listens at this address, or has registered this name.
    case listening(StreamTarget)
    /// The server has accepted a connection.
    case accepted(ControlMessage.Accepted)
    /// The server listens no more, with the result that it has sent, if it has. This is the last event.
    case ended(ClientError, CloseResult.Kind?)
  }

  let stream: StreamID
  private let link: Link
  private var handle: ((Event) -> Void)?

  init(link: Link, stream: StreamID, handle: @escaping (Event) -> Void) {
    self.link = link
    self.stream = stream
    self.handle = handle
  }

  /// Stops listening. No event follows.
  func stop() {
    guard handle != nil else { return }
    handle = nil
    link.reset(stream, .canceled, reason: "the client listens no more")
  }

  func receive(_ chunk: Chunk, on channel: Channel) {
    link.consume(stream, channel, chunk.count)
  }

  func receiveEnd(of channel: Channel) {}

  func receive(_ messages: [ControlMessage]) {
    for message in messages {
      switch message {
      case .opened(.socket(let text)):
        do throws(TransportError) {
          handle?(.listening(try StreamTarget(parsing: text)))
        } catch {
          end(ClientError(.protocolError, "the server listens at an unknown address: \(error)"))
        }
      case .accepted(let accepted): handle?(.accepted(accepted))
      case .opened, .signal, .stopSending, .cancel, .detach, .resize, .digest, .restart, .taken:
        break
      }
    }
  }

  func close(_ result: CloseResult) {
    var error = ClientError(socket: result)
    if result.result == .canceled { error = ClientError(.refused, "the server is ending") }
    end(error, result.result)
  }

  func fail(_ error: ClientError) { end(error) }

  private func end(_ error: ClientError, _ kind: CloseResult.Kind? = nil) {
    let handle = handle
    self.handle = nil
    handle?(.ended(error, kind))
  }
}
