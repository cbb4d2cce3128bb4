use super::*;
#[derive(Debug, Default)]
pub struct Scratch;
pub struct Token {
    pub start: usize,
    pub end: usize,
    pub alone: Vec<f32>,
    pub context: Vec<f32>,
}
impl LinearModel {
    pub fn dump(&self, s: &str) -> (Vec<f32>, Vec<Token>) {
        let text = Normalised::new(s);
        let mut counts = Counts::default();
        counts.count(self.settings, &text);
        let sums = self.sums(&counts);
        let n = self.labels.len();
        let doc: Vec<f32> = (0..n).map(|l| self.logit(&sums, l)).collect();
        let chars = text.chars();
        let mut per = vec![vec![0f32; n]; chars.len()];
        crate::ngram::each(self.settings, &text, |b, from, to| {
            let b = b as usize;
            let block = usize::from(b >= self.settings.word_buckets());
            let c = counts.of(b as u32);
            let v = sublinear(c) * f32::from(self.idf[b]) * self.idf_step / c as f32 / self.norm(&sums, block);
            for l in 0..n {
                let w = v * expand(self.weights[b * n + l]) * self.scale[l];
                let solid: Vec<usize> = (from..to).filter(|i| chars[*i] != ' ').collect();
                for i in &solid {
                    per[*i][l] += w / solid.len() as f32;
                }
            }
        });
        let mut out = vec![];
        let mut at = 0;
        while at < chars.len() {
            if chars[at] == ' ' {
                at += 1;
                continue;
            }
            let mut from = at;
            while at < chars.len() && chars[at] != ' ' {
                at += 1;
            }
            let mut to = at;
            let edge = |c: char| ".,!?;:\"'()[]{}<>-\u{2026}".contains(c);
            while from < to && edge(chars[from]) {
                from += 1;
            }
            while to > from && edge(chars[to - 1]) {
                to -= 1;
            }
            if from == to {
                continue;
            }
            let piece: String = chars[from..to].iter().collect();
            counts.count(self.settings, &Normalised::new(&piece));
            let sums = self.sums(&counts);
            let alone = (0..n).map(|l| self.logit(&sums, l)).collect();
            let context = (0..n).map(|l| per[from..to].iter().map(|p| p[l]).sum()).collect();
            let (start, end) = text.byte_range(from, to).unwrap();
            out.push(Token { start, end, alone, context });
        }
        (doc, out)
    }
    pub(super) fn explain(&self, _: &mut Scratch, _: &Normalised, _: &[f32]) -> Vec<RawSpan> {
        vec![]
    }
}
