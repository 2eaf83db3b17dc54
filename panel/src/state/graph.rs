//! What a task waits for and what waits for it, laid out in layers from left to right.
//!
//! A layer holds tasks that no other of the layer waits for. An edge that passes a layer bends through a
//! place of its own in it, so that no edge runs behind a task.

use std::collections::{BTreeMap, BTreeSet};

use super::task::State;

/// Tasks that are drawn.
pub(crate) const NODES_MAX: usize = 48;
/// Width of a task, in pixels.
pub(crate) const WIDTH: i32 = 196;
/// Height of a task.
pub(crate) const HEIGHT: i32 = 48;
const GAP_X: i32 = 56;
const GAP_Y: i32 = 16;
const MARGIN: i32 = 8;
/// Times that the order within the layers is made better.
const SWEEPS: usize = 6;

/// A task of the graph.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Node {
    /// Its id.
    pub(crate) id: String,
    /// Its title.
    pub(crate) title: String,
    /// Where it stands.
    pub(crate) state: State,
    /// What it waits for.
    pub(crate) after: Vec<String>,
}

/// Tasks around one, as they were found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Graph {
    /// The tasks; the first is the one they are around.
    pub(crate) nodes: Vec<Node>,
    /// Tasks that belong to it and are not there.
    pub(crate) more: usize,
}

/// Where something is drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// From the left.
    pub(crate) x: i32,
    /// From the top.
    pub(crate) y: i32,
}

/// A drawing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Drawing {
    /// Its width.
    pub(crate) width: i32,
    /// Its height.
    pub(crate) height: i32,
    /// The left upper corner of each node, in their order.
    pub(crate) places: Vec<Place>,
    /// The points of each edge, from what comes first to what waits.
    pub(crate) edges: Vec<Vec<Place>>,
}

impl Graph {
    /// Layers, from what comes first: the longest way decides.
    fn layers(&self, edges: &[(usize, usize)]) -> Vec<usize> {
        let mut layers = vec![0; self.nodes.len()];
        // As many rounds as there are tasks are enough; a circle, which the queue refuses, ends too.
        for _ in 0..self.nodes.len() {
            let mut moved = false;
            for (from, to) in edges {
                if layers[*to] <= layers[*from] && layers[*from] + 1 < self.nodes.len() {
                    layers[*to] = layers[*from] + 1;
                    moved = true;
                }
            }
            if !moved {
                break;
            }
        }
        // What nothing comes before stands next to what waits for it, not at the far left.
        for at in 0..layers.len() {
            let next = edges.iter().filter(|(from, _)| *from == at).map(|(_, to)| layers[*to]);
            let first = !edges.iter().any(|(_, to)| *to == at);
            if let Some(next) = next.min().filter(|_| first) {
                layers[at] = next.saturating_sub(1).max(layers[at]);
            }
        }
        layers
    }

    fn edges(&self) -> Vec<(usize, usize)> {
        let known = self.nodes.iter().enumerate().map(|(at, node)| (node.id.as_str(), at));
        let known: BTreeMap<&str, usize> = known.collect();
        let mut edges = BTreeSet::new();
        for (to, node) in self.nodes.iter().enumerate() {
            let before = node.after.iter().filter_map(|id| known.get(id.as_str()));
            edges.extend(before.filter(|from| **from != to).map(|from| (*from, to)));
        }
        edges.into_iter().collect()
    }

    /// Draws it.
    pub(crate) fn draw(&self) -> Drawing {
        let edges = self.edges();
        let layers = self.layers(&edges);
        let mut grid = Grid::new(&layers);
        let ways: Vec<Vec<usize>> =
            edges.iter().map(|(from, to)| grid.way(*from, *to, &layers)).collect();
        grid.order();
        let places = grid.places();
        let points = |way: &Vec<usize>| {
            let last = way.len() - 1;
            let mut points = Vec::new();
            for (at, item) in way.iter().enumerate() {
                let Place { x, y } = places[*item];
                let y = y + HEIGHT / 2;
                if at > 0 {
                    points.push(Place { x, y });
                }
                if at < last {
                    points.push(Place { x: x + WIDTH, y });
                }
            }
            points
        };
        let edges = ways.iter().map(points).collect();
        let end = |side: fn(&Place) -> i32, size: i32| {
            places.iter().map(side).max().unwrap_or(0) + size + MARGIN
        };
        Drawing {
            width: end(|place| place.x, WIDTH),
            height: end(|place| place.y, HEIGHT),
            places: places.iter().take(self.nodes.len()).copied().collect(),
            edges,
        }
    }
}

/// Items in layers: tasks first, then the bends of long edges.
struct Grid {
    layers: Vec<Vec<usize>>,
    /// Neighbours of each item, in the layer before it and in the one behind.
    near: Vec<[Vec<usize>; 2]>,
}

impl Grid {
    fn new(layers: &[usize]) -> Self {
        let count = layers.iter().max().map_or(0, |last| last + 1);
        let mut grid = Self { layers: vec![Vec::new(); count], near: Vec::new() };
        for layer in layers {
            grid.add(*layer);
        }
        grid
    }

    fn add(&mut self, layer: usize) -> usize {
        let item = self.near.len();
        self.near.push(Default::default());
        self.layers[layer].push(item);
        item
    }

    /// The items of an edge, with a bend in each layer that it passes.
    fn way(&mut self, from: usize, to: usize, layers: &[usize]) -> Vec<usize> {
        let mut way = vec![from];
        for layer in layers[from] + 1..layers[to] {
            way.push(self.add(layer));
        }
        way.push(to);
        for pair in way.windows(2) {
            self.near[pair[1]][0].push(pair[0]);
            self.near[pair[0]][1].push(pair[1]);
        }
        way
    }

    /// Puts each item near the middle of its neighbours, to and fro.
    fn order(&mut self) {
        for sweep in 0..SWEEPS {
            let side = sweep % 2;
            let count = self.layers.len();
            for step in 0..count {
                let layer = if side == 0 { step } else { count - 1 - step };
                let mut rank = vec![0; self.near.len()];
                for items in &self.layers {
                    for (at, item) in items.iter().enumerate() {
                        rank[*item] = at;
                    }
                }
                let near = &self.near;
                // In sixty-fourths, so that no float decides about an order.
                let middle = |item: usize| {
                    let near = &near[item][side];
                    let sum: usize = near.iter().map(|other| rank[*other]).sum();
                    if near.is_empty() { rank[item] * 64 } else { sum * 64 / near.len() }
                };
                let mut items = std::mem::take(&mut self.layers[layer]);
                items.sort_by_key(|item| middle(*item));
                self.layers[layer] = items;
            }
        }
    }

    fn places(&self) -> Vec<Place> {
        let tallest = self.layers.iter().map(Vec::len).max().unwrap_or(0);
        let step = HEIGHT + GAP_Y;
        let mut places = vec![Place::default(); self.near.len()];
        let (mut x, top) = (MARGIN, MARGIN);
        for items in &self.layers {
            let free = whole(tallest - items.len()) * step / 2;
            for (at, item) in items.iter().enumerate() {
                places[*item] = Place { x, y: top + free + whole(at) * step };
            }
            x += WIDTH + GAP_X;
        }
        places
    }
}

fn whole(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> Graph {
        let node = |(id, after): &(&str, &[&str])| Node {
            id: (*id).to_owned(),
            after: after.iter().map(ToString::to_string).collect(),
            ..Node::default()
        };
        Graph { nodes: edges.iter().map(node).collect(), more: 0 }
    }

    #[test]
    fn what_waits_stands_behind_what_it_waits_for() {
        let graph = graph(&[("c", &["a", "b"]), ("a", &[]), ("b", &["a"]), ("d", &["c"])]);
        let drawing = graph.draw();
        let x: Vec<_> = drawing.places.iter().map(|place| place.x).collect();
        assert!(x[1] < x[2] && x[2] < x[0] && x[0] < x[3], "{x:?}");
        assert_eq!(drawing.edges.len(), 4);
        for edge in &drawing.edges {
            assert!(edge.windows(2).all(|pair| pair[0].x < pair[1].x), "from left to right");
        }
    }

    #[test]
    fn no_two_tasks_lie_on_each_other_and_no_edge_passes_behind_one() {
        let graph = graph(&[
            ("z", &["a", "b", "c"]),
            ("a", &[]),
            ("b", &["a"]),
            ("c", &["b", "a"]),
            ("d", &["a"]),
            ("e", &["d", "a", "z"]),
        ]);
        let drawing = graph.draw();
        for (at, one) in drawing.places.iter().enumerate() {
            assert!(one.x + WIDTH <= drawing.width && one.y + HEIGHT <= drawing.height);
            for other in &drawing.places[at + 1..] {
                let apart = (one.x - other.x).abs() >= WIDTH || (one.y - other.y).abs() >= HEIGHT;
                assert!(apart, "{one:?} {other:?}");
            }
            let inside = |point: &Place| {
                one.x < point.x
                    && point.x < one.x + WIDTH
                    && one.y < point.y
                    && point.y < one.y + HEIGHT
            };
            assert!(!drawing.edges.iter().flatten().any(inside));
        }
    }

    #[test]
    fn a_circle_ends_and_one_task_is_drawn_alone() {
        assert_eq!(graph(&[("a", &["b"]), ("b", &["a"])]).draw().places.len(), 2);
        let alone = graph(&[("a", &["gone"])]).draw();
        assert_eq!((alone.places.len(), alone.edges.len()), (1, 0));
        assert_eq!(alone.width, WIDTH + 2 * MARGIN);
    }
}
