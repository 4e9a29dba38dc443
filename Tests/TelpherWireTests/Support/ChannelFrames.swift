import TelpherTestSupport
import TelpherWire

// Frames with a channel by its name.

func data(_ stream: UInt32, _ channel: Channel, _ payload: [UInt8], fin: Bool = false) -> [UInt8] {
  data(stream, channel.rawValue, payload, fin: fin)
}

func window(_ stream: UInt32, _ channel: Channel, _ limit: UInt64) -> [UInt8] {
  window(stream, channel.rawValue, limit)
}
