//! What ways of execution are compared on: sentences and pictures in the style of what a platform sends, built in, so that a
//! start needs no data set.

use crate::Pixels;

/// Short and long, plain and odd, several languages.
pub(crate) const TEXTS: [&str; 32] = [
    "hi",
    "lol same",
    "where are you all tonight?",
    "good game everybody, see you tomorrow",
    "can somebody please mute that microphone",
    "you are such an idiot, get out of here",
    "I disagree with you, but thanks for explaining it so patiently",
    "nobody wants you in this room, just leave",
    "my cat walked over the keyboard again 😹😹",
    "WHAT WAS THAT ABOUT???",
    "that was the worst movie I have seen in years, and I have seen many of them",
    "he said they would come after him if he talked, so please take this seriously",
    "free coins for the first hundred visitors, click the link in my profile now",
    "does anyone here play chess or go hiking on weekends, preferably near the coast?",
    "the meeting moved to half past nine, bring the slides and the numbers of the last quarter",
    "I hate waiting for the bus in the rain",
    "killing it on stage tonight, what a show",
    "shut your mouth before I shut it for you",
    "u r so dumb its not even funny anymore",
    "Wie spät treffen wir uns morgen am Bahnhof, und wer bringt den Kuchen mit?",
    "Je ne suis pas d'accord, mais je comprends ton point de vue.",
    "No puedo creer que hayas dicho eso delante de todos.",
    "今日はとても楽しかったです。また会いましょう。",
    "спасибо большое, увидимся завтра вечером",
    "Looking for people who like climbing, board games and long conversations about books; I moved here last month and know \
     nobody yet, so any hint about clubs or regular evenings is welcome.",
    "The new update broke the camera on two of my three phones: the picture freezes after a minute or so, the sound goes on, \
     and the only cure is to leave the call and to come back. Support has not answered for a week.",
    "To whoever reported my last message: I was quoting the song, not talking about you, and the person I was talking to knew \
     that. Read the whole conversation before you press that button, because a false report costs somebody an evening.",
    "First we drove along the river until the road ended, then we walked for two hours through the forest, and when we finally \
     reached the hut it was closed for the season. We ate our bread on the steps, laughed about it, and walked back in the dark \
     with one flashlight between the four of us. I would do it again at once.",
    "ok",
    "a b c d e f g",
    "1 + 1 = 3, change my mind",
    "http://example.com/some/long/path?with=parameters&and=more",
];

/// Four patterns with smooth parts, edges and fine grain.
pub(crate) fn pictures() -> Vec<Pixels> {
    const SIDE: u32 = 256;
    let patterns: [fn(u32, u32) -> [u8; 3]; 4] = [
        |x, y| [x as u8, y as u8, 128],
        |x, y| if (x / 32 + y / 32) % 2 == 0 { [230, 190, 160] } else { [40, 60, 90] },
        |x, y| [(x * y % 251) as u8, (x + 2 * y) as u8, (x * 7 % 253) as u8],
        |x, y| {
            let (dx, dy) = (x.abs_diff(SIDE / 2), y.abs_diff(SIDE / 2));
            if dx * dx + dy * dy < 90 * 90 { [220, 170, 150] } else { [(200 - x / 4) as u8, 210, 235] }
        },
    ];
    let draw = |pattern: &fn(u32, u32) -> [u8; 3]| {
        let pixels = (0..SIDE * SIDE).flat_map(|at| pattern(at % SIDE, at / SIDE)).collect();
        Pixels::new(SIDE, SIDE, pixels)
    };
    patterns.iter().filter_map(draw).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn i6_samples_are_short_and_long_and_differ() {
        let lengths: Vec<usize> = super::TEXTS.iter().map(|text| text.len()).collect();
        assert!(lengths.iter().any(|length| *length < 4) && lengths.iter().any(|length| *length > 300));
        let pictures = super::pictures();
        assert_eq!(pictures.len(), 4);
        assert!(pictures.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
