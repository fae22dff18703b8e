// Every operation that the app sends, in one place; their types are generated from the server's schema.
import { graphql } from './generated'

export const meDocument = graphql(`
  query Me {
    me {
      name
    }
  }
`)

export const serverDocument = graphql(`
  query ServerInfo {
    server {
      version
      now
      startedAt
      sequence
      samples
    }
  }
`)

export const signalsDocument = graphql(`
  query Signals($search: String, $limit: Int!) {
    signalCount(search: $search)
    signals(search: $search, limit: $limit) {
      ...SignalFields
    }
  }
`)

export const signalDocument = graphql(`
  query Signal($tag: String!) {
    signal(tag: $tag) {
      ...SignalFields
    }
  }
`)

export const signalFieldsDocument = graphql(`
  fragment SignalFields on Signal {
    tag
    description
    unit
    valueType
    states {
      number
      name
    }
    low
    high
    stepped
    source
    staleAfterMs
    last {
      time
      value
      valueText
      quality
    }
  }
`)

export const trendDocument = graphql(`
  query Trend($tags: [String!]!, $from: Time!, $to: Time!, $width: Int!) {
    trend(tags: $tags, from: $from, to: $to, width: $width) {
      sequence
      pens {
        tag
        times
        values
        texts
        severities
      }
    }
  }
`)

export const sourcesDocument = graphql(`
  query Sources {
    sources {
      name
      driver
      enabled
      state
      since
      error
      signals
      readings
      recorded
      unchanged
      refused
    }
  }
`)

export const samplesDocument = graphql(`
  subscription Samples($tags: [String!]!, $everyMs: Int!) {
    samples(tags: $tags, everyMs: $everyMs) {
      snapshot
      sequence
      sentAt
      skipped
      tags
      times
      values
      texts
      qualities
    }
  }
`)

export const changesDocument = graphql(`
  subscription Changes {
    changes {
      sequence
      kind
      subject
    }
  }
`)
