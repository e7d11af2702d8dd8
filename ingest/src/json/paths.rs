//! The catalog's paths as one tree, so that a scan knows at each key whether something below it is wanted.

use super::keys::Key;

/// A node of [`Paths`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Node(u32);

impl Node {
    /// Nothing below here is wanted.
    pub(crate) const NONE: Node = Node(u32::MAX);
}

/// Index of a captured value that stands for "none".
const NO_CAPTURE: u32 = u32::MAX;

#[derive(Debug)]
struct Edge {
    key: Key,
    name: Box<[u8]>,
    to: Node,
}

#[derive(Debug)]
struct NodeData {
    capture: u32,
    edges: Vec<Edge>,
}

/// Trees of paths, one root per event type.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    nodes: Vec<NodeData>,
}

/// The node at a key that is longer than what [`Key::resembles`] decides on. Out of line, so that short keys do not pay for
/// the preparation of a comparison.
#[inline(never)]
fn child_at_long_key(edges: &[Edge], key: &[u8]) -> Node {
    edges.iter().find(|edge| *edge.name == *key).map_or(Node::NONE, |edge| edge.to)
}

impl Paths {
    /// A new root.
    pub(crate) fn root(&mut self) -> Node {
        self.nodes.push(NodeData { capture: NO_CAPTURE, edges: Vec::new() });
        // Catalogs have far fewer paths than 2^32.
        Node(u32::try_from(self.nodes.len() - 1).unwrap_or(u32::MAX))
    }

    /// Wants the value at `path` below `root`: the index under which it will be captured. The same path gives the same
    /// index; `captures` counts them.
    pub(crate) fn want(&mut self, root: Node, path: &[String], captures: &mut u32) -> usize {
        let mut node = root;
        for part in path {
            node = match self.child_by_name(node, part.as_bytes()) {
                Some(child) => child,
                None => {
                    let child = self.root();
                    let edge = Edge { key: Key::of_name(part.as_bytes()), name: part.as_bytes().into(), to: child };
                    self.nodes[node.0 as usize].edges.push(edge);
                    child
                }
            };
        }
        let capture = &mut self.nodes[node.0 as usize].capture;
        if *capture == NO_CAPTURE {
            *capture = *captures;
            *captures += 1;
        }
        *capture as usize
    }

    /// The node at a path below `root`; [`Node::NONE`] if nothing there or below is wanted.
    pub(crate) fn at_path(&self, root: Node, path: &[Box<[u8]>]) -> Node {
        path.iter().fold(root, |node, name| self.child_by_name(node, name).unwrap_or(Node::NONE))
    }

    fn child_by_name(&self, node: Node, name: &[u8]) -> Option<Node> {
        self.edges(node).find(|(edge, _)| *edge == name).map(|(_, to)| to)
    }

    /// Names and nodes one step below.
    pub(crate) fn edges(&self, node: Node) -> impl Iterator<Item = (&[u8], Node)> {
        let edges = self.nodes.get(node.0 as usize).map_or(&[][..], |data| &data.edges);
        edges.iter().map(|edge| (&*edge.name, edge.to))
    }

    /// The node below `node` at `key`, whose text `bytes` yields.
    #[inline(always)]
    pub(crate) fn child<'t>(&self, node: Node, key: Key, bytes: impl Fn() -> &'t [u8]) -> Node {
        let Some(data) = self.nodes.get(node.0 as usize) else { return Node::NONE };
        for edge in &data.edges {
            if edge.key.resembles(key) {
                return if key.is_short() { edge.to } else { child_at_long_key(&data.edges, bytes()) };
            }
        }
        Node::NONE
    }

    /// Where the value at `node` is captured, if it is wanted.
    #[inline(always)]
    pub(crate) fn capture(&self, node: Node) -> Option<usize> {
        let capture = self.nodes.get(node.0 as usize)?.capture;
        (capture != NO_CAPTURE).then_some(capture as usize)
    }
}
