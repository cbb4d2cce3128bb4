"""A functional suite: short sentences that probe one ability each, in our own words. See README.md.

A functionality is a list of templates. Every third template is kept apart (`heldout`): no sentence made from it is ever trained
on, so the held-out figure says whether the ability generalises to other wording, not only to other fillers.

Slots: {P} a group ("women"), {A} an adjective for one of its members, {S} one of them ("a refugee"), {N} a group that hate law
does not protect, {O} a thing or an abstract idea, {I} a swear word as intensifier, {B} an abusive noun, {SLUR} a slur out of
the word list (none is spelt out here)."""

import csv
import gzip
import random

GROUPS = [
    ("women", "female", "a woman"), ("men", "male", "a man"), ("gay people", "gay", "a gay man"), ("lesbians", "lesbian", "a lesbian"),
    ("trans people", "trans", "a trans person"), ("bisexuals", "bisexual", "a bisexual person"), ("black people", "black", "a black man"),
    ("Africans", "African", "an African"), ("Asians", "Asian", "an Asian"), ("Chinese people", "Chinese", "a Chinese woman"),
    ("Indians", "Indian", "an Indian"), ("Pakistanis", "Pakistani", "a Pakistani"), ("Arabs", "Arab", "an Arab"),
    ("Muslims", "Muslim", "a Muslim"), ("Jews", "Jewish", "a Jew"), ("Jewish people", "Jewish", "a Jewish woman"),
    ("Christians", "Christian", "a Christian"), ("Hindus", "Hindu", "a Hindu"), ("Sikhs", "Sikh", "a Sikh"),
    ("immigrants", "immigrant", "an immigrant"), ("migrants", "migrant", "a migrant"), ("refugees", "refugee", "a refugee"),
    ("foreigners", "foreign", "a foreigner"), ("Mexicans", "Mexican", "a Mexican"), ("Latinos", "Latino", "a Latino"),
    ("Roma", "Roma", "a Roma woman"), ("disabled people", "disabled", "a disabled person"), ("deaf people", "deaf", "a deaf man"),
    ("autistic people", "autistic", "an autistic person"), ("people with Down syndrome", "disabled", "someone with Down syndrome"),
    ("old people", "old", "an old man"), ("white people", "white", "a white man"), ("native Americans", "native", "a native American"),
    ("girls", "female", "a girl"), ("feminists", "feminist", "a feminist"), ("queer people", "queer", "a queer person"),
    ("transgender women", "transgender", "a transgender woman"), ("black women", "black", "a black woman"),
    ("Nigerians", "Nigerian", "a Nigerian"), ("Turks", "Turkish", "a Turk"), ("Poles", "Polish", "a Pole"),
    ("Filipinos", "Filipino", "a Filipina"), ("brown people", "brown", "a brown guy"), ("homosexuals", "homosexual", "a homosexual"),
    ("blind people", "blind", "a blind man"), ("people in wheelchairs", "disabled", "a guy in a wheelchair"),
]
FEMALE = {"women", "girls", "feminists", "black women", "lesbians", "transgender women"}
UNPROTECTED = [
    "politicians", "bankers", "landlords", "journalists", "lawyers", "communists", "capitalists", "football fans", "gamers", "vegans",
    "smokers", "cyclists", "teachers", "students", "artists", "influencers", "liars", "cheaters", "criminals", "billionaires",
    "salespeople", "referees", "parking wardens", "trolls", "drug dealers", "tax collectors", "managers", "meat eaters", "hipsters", "scammers",
]
OBJECTS = [
    "this phone", "that movie", "paying taxes", "Mondays", "this weather", "my old laptop", "traffic jams", "pineapple on pizza", "cilantro",
    "this app", "the new update", "homework", "winter", "this song", "bugs in my code", "these shoes", "airport queues", "cold coffee", "spiders",
    "this game", "mosquitoes", "that printer", "early mornings", "dating apps", "spam mail", "capitalism", "the alarm clock", "brussels sprouts",
    "long meetings", "this website", "war", "poverty", "the last season", "horror films", "this keyboard", "rush hour",
]
SWEARS = ["fucking", "damn", "goddamn", "bloody", "fuckin", "freaking", "motherfucking"]
NOUNS = ["scum", "trash", "filth", "garbage", "idiots", "bastards", "assholes", "pieces of shit", "dirtbags", "morons"]

# name: (hateful, templates)
SUITE = {
    "hate_emotion": (1, [
        "I hate {P}.", "I really can't stand {P}", "{P} disgust me", "I despise every single one of those {P}.", "God, how I loathe {P}",
        "nothing makes me as sick as {P}", "I feel nothing but contempt for {P}.", "Seeing {P} makes me want to puke", "fuck {P}",
        "I detest {P} with all my heart", "if there is one thing I hate it's {P}", "{P} make my blood boil", "I hate all {P} so much",
        "Honestly I am repulsed by {P}", "My hatred for {P} grows every day.", "Can't look at {P} without feeling disgust",
        "I wish I never had to see {P} again, I hate them", "ew, {P}. they revolt me", "everyone I know hates {P} and so do I",
        "I hate {A} people more than anything", "hate hate hate {P}", "You know what I hate most? {P}.", "{P} are so disgusting to me",
        "It makes me angry that {P} even exist.", "I have always hated {P} and always will", "I'm disgusted by anyone who is {A}",
        "I want nothing to do with {P}, they are revolting", "being around {P} makes my skin crawl",
    ]),
    "hate_attributes": (1, [
        "{P} are {B}.", "All {P} are liars and thieves", "{P} are stupid", "every {A} person I met was dumb as a rock", "{P} are lazy and worthless",
        "Let's face it, {P} are dirty.", "{P} are the scum of the earth", "{P} ruin everything they touch", "{P} are evil, simple as that",
        "There is no such thing as an honest {A} person", "{P} smell", "{P} are nothing but criminals", "all {P} are whores",
        "You can't trust {P}, they are born liars", "those {P} are a bunch of savages", "{P} are the worst people on the planet.",
        "{P} are mentally ill freaks", "They're just {B}, these {P}", "{P} are too dumb to do anything right", "{P} are ugly and useless",
        "What can you expect, {P} have no brains", "{P} are perverts and belong nowhere near kids", "{P} are cowards, all of them",
        "{P} are an embarrassment to this country", "typical {A} behaviour: lying, stealing, whining", "{P} are a disgrace", "{P} are inferior",
        "never hire {P}, they're incompetent", "{P} are rapists", "{P} are terrorists", "{P} are all gold diggers and sluts",
    ]),
    "hate_dehumanising": (1, [
        "{P} are vermin", "{P} are animals, not people", "{P} are a plague on this country", "{P} are like rats, they breed everywhere",
        "{P} are parasites", "We have an infestation of {P}", "{P} are cockroaches.", "{P} are subhuman", "those {P} are pigs",
        "{P} are a cancer that has to be cut out", "{P} are a disease", "I don't see {P} as human beings", "{P} are maggots feeding off us",
        "{P} live like dogs because they are dogs", "{P} crawl out of their holes again", "This city is crawling with {P}, call pest control",
        "{P} are monkeys in clothes", "{P} are leeches sucking us dry", "what a swarm of {P}, like locusts", "{P} belong in a zoo",
        "{P} are not even people", "There's barely anything human about {P}", "{P} are a virus",
    ]),
    "hate_implicit": (1, [
        "{P} should know their place", "This country was better before {P} came", "Some people are simply worth more than {P}.",
        "we would all be better off without {P}", "I'd rather die than share a room with {P}", "{P} have no business voting",
        "Keep {P} away from our children", "The world would not miss {P}", "I would never let my kid marry {S}", "Nobody wants {P} here",
        "{P} don't belong in our schools", "who let {S} into this place?", "{P} are taking over and nobody stops them",
        "You only got the job because you are {A}", "{P} should stay in the kitchen", "{P} should go back to where they came from",
        "No wonder it failed, {S} was in charge", "it's a normal country only without {P}", "I don't rent to {P}, I have standards",
        "{P} can never be one of us", "{P} are the reason everything here goes downhill", "{P} own the media and pull the strings",
        "Imagine being proud of being {A}", "I'd be ashamed too if I was {A}", "Ban {P} from this app", "{P} just want our money and our jobs",
        "as {S} you should be grateful that we let you speak", "send all {P} back", "we don't serve {P}", "the less {P} the better",
        "a real nation has no room for {P}", "{P} shouldn't be allowed to have children",
    ]),
    "threat_direct": (1, [
        "I will kill all {P}", "I'm going to beat up the next {A} person I see", "We are coming for you {P}", "{P} better watch out tonight, we have guns",
        "I'll shoot every one of those {P}", "I would love to set {P} on fire", "next time I meet {S} I'll break their legs",
        "One day we will hang all {P}", "I'm gonna stab {S} soon", "Tomorrow {P} will bleed", "I can't wait to punch {S} in the face",
        "I'm planning to bomb a place full of {P}", "I swear I'll hunt down {P}", "if I see {S} in my street I'll run them over",
        "me and my boys will smash some {P} tonight", "gonna make {P} suffer", "I'd happily strangle {S}",
    ]),
    "threat_normative": (1, [
        "{P} should be shot", "{P} deserve to die", "All {P} must be wiped out", "Someone should burn down the houses of {P}",
        "{P} ought to be locked up in camps", "The only good {A} person is a dead one", "somebody needs to beat {P} back into line",
        "{P} should be exterminated", "Gas {P}", "kill all {P}", "{P} deserve whatever violence they get", "death to {P}",
        "{P} should be hanged in public", "It's time to get rid of {P} for good", "{P} should be drowned", "there should be open season on {P}",
        "{P} need to be put down", "whoever attacks {P} deserves a medal", "deport {P} or shoot them, I don't care", "let {P} starve",
        "{P} have to be eradicated", "we should castrate {P}",
    ]),
    "slur_hate": (1, [
        "You {SLUR}", "shut up {SLUR}", "{SLUR} like you should leave", "I hate that {SLUR}", "stupid {SLUR}", "what a disgusting {SLUR}",
        "Another {SLUR} in my neighbourhood", "go home {SLUR}", "nobody likes a {SLUR}", "you're such a {SLUR}", "typical {SLUR}",
        "get lost, {SLUR}", "that guy is a dirty {SLUR}", "no {SLUR} allowed here", "{SLUR} alert", "I won't talk to a {SLUR}",
    ]),
    "profane_hate": (1, [
        "{I} {P} are everywhere", "I can't stand those {I} {P}", "{P} are {I} {B}", "Why are {P} so {I} stupid", "{P} can go fuck themselves",
        "fuck all {P}", "those {I} {P} ruin everything", "get these {I} {P} out of here", "{P} are {I} disgusting", "screw {P} and their bullshit",
        "to hell with the {I} {P}", "{I} {A} assholes", "I'm so sick of these {I} {P} and their shit",
    ]),
    "pronoun_hate": (1, [
        "{P} are all the same, and they deserve nothing but pain", "{P} think they own the place. I hate them.", "{P} moved in next door. They are {B}.",
        "Look at those {P}. They should all be shot", "I met some {P} yesterday. Vermin, every last one of them.",
        "You love {P}? I want them dead", "{P} want respect but they are nothing but trash", "So many {P} here. Someone should get rid of them",
        "{P} are on TV again, and I hope they rot", "I have {A} neighbours. They make me sick", "He is {A}, so of course he is a disgusting liar",
        "they let {P} in and now those animals are everywhere", "I tried to be nice to {P}. Never again, they are {B}",
        "{P} came here and they stink up the whole street", "We gave {P} rights, now they must lose them again",
    ]),
    "negated_hate": (1, [
        "{P} are not worth a thing", "{P} don't deserve to live", "I will never respect {P}", "{P} are no real people",
        "No one should ever help {P}", "{P} never do anything good", "I don't like {P} one bit, they are {B}", "{P} aren't human",
        "There is nothing good about {P}", "{P} do not deserve rights", "You can't be {A} and decent", "{P} have never contributed anything",
        "{P} aren't welcome anywhere", "don't treat {P} as equals, they are not", "not one of those {P} is worth saving",
        "I don't think {P} should be allowed to live here", "{P} don't have feelings like we do",
    ]),
    "question_hate": (1, [
        "Why are {P} so disgusting?", "When will someone finally get rid of {P}?", "Is there anything more useless than {P}?",
        "Why do we still let {P} live here?", "Who else hates {P}?", "How can anyone love {P}, they are {B}?", "why are all {P} criminals",
        "Do {P} even have a brain?", "What's the point of {P}?", "isn't it time to throw out all {P}?", "Why should I care if {P} die?",
        "Does anyone actually like {P}? I don't, they're gross", "am I the only one who thinks {P} are {B}?",
    ]),
    "opinion_hate": (1, [
        "In my opinion {P} are inferior", "I just think {P} are evil", "It's a fact that {P} are less intelligent", "Not to be rude but {P} are {B}",
        "I'm no racist but {P} are animals", "To be honest {P} should not exist", "Call me old-fashioned, but {P} are an abomination",
        "I believe {P} ruin society", "Everyone knows that {P} are thieves", "Just saying, {P} are subhuman", "We all think it: {P} are {B}",
        "unpopular opinion: {P} deserve no rights", "science proves that {P} are stupid", "I have to say it, {P} disgust me",
    ]),
    "sexist": (1, [
        "women belong in the kitchen", "a woman's only job is making babies", "girls can't do maths, don't even try", "Women are too emotional to lead",
        "never trust a woman who drives", "females only want your money", "she got promoted on her knees", "No girl understands football, shut up",
        "Women should obey their husbands", "if she wears that she is asking for it", "feminism is a cancer and feminists are ugly",
        "all these females are the same, lying sluts", "Typical woman driver, should be banned", "women are property, always have been",
        "she needs a man to put her in her place", "Bitches these days only care about their phones", "women lie about rape all the time",
        "a wife that talks back deserves a slap", "you throw like a girl, pathetic like all of them", "roasties are worthless after 25",
        "dumb blondes shouldn't have opinions", "Give a woman power and everything collapses", "girls on here are all attention whores",
        "make me a sandwich, woman", "hoes will be hoes, never respect them", "Women have it easy and still whine all day",
    ]),
    "identity_neutral": (0, [
        "Many {P} live in this city", "I am {A}", "My neighbour is {S}", "She told me that her brother is {A}", "There was {S} on the bus today",
        "{P} make up a large part of our customers", "My best friend is {A} and so am I", "a report about {P} was published on Tuesday",
        "Are there other {P} in this chat?", "we talked about {P} in history class", "I am dating {S}", "are you {A}?", "The new doctor is {S}.",
        "looking for other {A} people to chat with", "The survey asked {P} about their commute", "My parents are {A}, I was born here",
        "as {S} I often get asked this", "I grew up around {P}", "hi, {A} guy here, 27, into hiking", "{P} celebrate on Friday",
        "I work with {P} every day", "Do {P} vote differently?", "I'm {S} and I cook a lot", "the actor came out as {A} last year",
        "He married {S} in May", "There are {P} in my family", "Two {P} won seats on the council", "I am learning about the history of {P}",
        "my girlfriend is {A}", "is this group only for {P}?", "I was raised by {S}", "any {A} singles around Leeds?",
        "the museum has a new show about {P}", "Most {P} I know work in the same town",
    ]),
    "identity_positive": (0, [
        "I love {P}", "{P} are wonderful", "I'm proud to be {A}", "{P} deserve the same rights as everyone", "{P} are strong and beautiful",
        "So happy to live next to {P}", "{P} enrich our town", "We should all listen to {P} more", "{P} are great company",
        "Nothing but respect for {P}", "It is great to be {A}", "My life got better thanks to {P}", "what a brilliant {A} singer",
        "{P} are people like you and me", "Thank you to all the {P} who help here", "{P} are welcome here", "I admire {P}",
        "we need more {P} in parliament", "{A} and happy!", "{P} make this place better", "here's to all {P} out there, you rock",
        "I'd be honoured to work with {S}", "{P} are beautiful", "You are {A}? That's awesome", "Being {A} is a gift",
        "I like {A} food and {A} people", "{P} are so kind to me", "Celebrating {P} today, with love", "it's good that {P} feel safe here",
        "every day I learn something from {P}",
    ]),
    "negated_nonhate": (0, [
        "I don't hate {P}", "{P} are not criminals", "No, {P} aren't stupid", "Nobody should say that {P} are {B}", "I would never hurt {S}",
        "{P} are not the problem", "It isn't true that {P} are dirty", "I have never disliked {P}", "{P} aren't vermin, they are people",
        "you can't say that {P} are inferior, it's false", "{P} do not deserve this hate", "No {A} person should have to be afraid",
        "I don't believe that {P} are lazy", "{P} should never be attacked", "don't call {P} {B}", "Not all {P} are the same",
        "there's nothing wrong with being {A}", "I've got nothing against {P}", "{P} were never the enemy", "we can't let anyone kill {P}",
        "being {A} is not a disease", "I didn't say {P} are bad, I said the opposite", "never would I claim {P} are worth less",
    ]),
    "counter_quote": (0, [
        "\"{P} are {B}\" is something only a racist would say", "He said \"I hate {P}\" and got banned, good.", "Whoever wrote \"kill all {P}\" needs help",
        "People who claim that {P} are animals make me sick", "If you say {P} are vermin you are the problem", "Stop posting \"{P} should die\", it's vile",
        "\"{P} are a plague\"? How can anybody write that", "my uncle thinks {P} are stupid. I told him how wrong he is",
        "Saying that {P} are {B} is hate speech", "It's wrong to write that {P} deserve to die", "She reported a post that said \"{P} should be shot\"",
        "I was told \"go back home, {P}\" today and it hurt", "Yesterday someone shouted \"I hate {P}\" at my friend. Disgusting.",
        "calling {P} subhuman is what the Nazis did", "Don't you dare say \"{P} are trash\"", "anyone who thinks {P} are inferior should read a book",
        "The article quotes him: \"{P} are parasites\". Shameful.", "They sprayed \"death to {P}\" on the wall and the police is looking for them",
        "\"{P} don't belong here\" - imagine saying that in this day and age", "please report comments like \"{P} are scum\"",
        "I get messages like \"{P} are {B}\" every week", "he lost his job for writing \"I hate {P}\"", "moderators, this user wrote \"burn all {P}\"",
    ]),
    "counter_direct": (0, [
        "It's disgusting how you talk about {P}", "Your hate against {P} has no place here", "Stop attacking {P}", "Hating {P} is wrong",
        "Please stop spreading lies about {P}", "you are the racist here, leave {P} alone", "We must stand up for {P}", "Violence against {P} has to stop",
        "shame on everyone who insults {P}", "Nobody deserves to be beaten for being {A}", "Discrimination against {P} is illegal",
        "I'm so tired of people who hate {P}", "Attacks on {P} have doubled and that scares me", "Hate against {P} is on the rise, we need to act",
        "{P} were murdered here, we remember them", "do you realise that what you said hurts {P}?", "The way they treat {P} is awful",
        "I will fight against anyone who hates {P}", "It breaks my heart how {P} are treated", "your jokes about {P} are not funny, apologise",
        "I left that forum because they hate {P}", "stop blaming {P} for everything", "Bullying someone because they are {A} is cruel",
    ]),
    "reclaimed": (0, [
        "us {A} bitches have to stick together", "I'm a proud dyke", "queer and proud", "we're here, we're queer", "my fellow queers, happy pride",
        "hey bitch, missed you! love you girl", "I am a bad bitch and I know it", "my queer ass is going dancing tonight", "love my bitches, best friends ever",
        "as a queer person I use that word for myself", "slut walk on Saturday, join us", "that's my bitch, she got the job!", "yes I'm a slut and I have fun, so what",
        "we took the word queer back", "what's up my bitches, party tonight?", "I'm the biggest dyke in town and I love it",
    ]),
    "profane_nonhate": (0, [
        "this is {I} awesome", "holy shit that was good", "I'm so {I} tired", "oh fuck I forgot my keys", "what a {I} great day", "shit, I missed the train",
        "{I} hell it's cold", "that concert was {I} amazing", "I feel like shit today", "damn, you look good", "fuck yeah we won!",
        "my {I} phone died again", "no shit, really?", "I love this shit", "I had one hell of a week", "the food was {I} delicious",
        "ah crap, wrong chat", "I don't give a damn about football", "get the fuck out, you got tickets?!", "fuck me, that was close",
        "bloody brilliant mate", "that party was the shit", "I fucked up the exam", "who the hell is calling at 3 am", "so {I} proud of you",
        "this {I} weather again", "I'm {I} starving", "what the fuck happened to the prices",
    ]),
    "hate_objects": (0, [
        "I hate {O}", "{O} can go to hell", "fuck {O}", "{O} makes me sick", "I can't stand {O}", "God I despise {O}", "{O} should be banned",
        "{O} is the worst", "I'm going to kill {O} one day", "{O} is such garbage", "death to {O}", "who invented {O}? I hate it",
        "I {I} hate {O}", "{O} is a plague", "screw {O}", "I wish {O} did not exist", "{O} is disgusting", "burn it with fire: {O}",
        "nothing is worse than {O}", "I would destroy {O} if I could", "{O} is pure trash", "why is {O} so awful?",
    ]),
    "hate_unprotected": (0, [
        "I hate {N}", "{N} are {B}", "all {N} are liars", "{N} should be fired", "{N} are the worst", "I can't stand {N}", "fuck {N}",
        "{N} are vermin", "{N} disgust me", "{N} are a plague on this city", "Down with {N}", "{N} are so stupid", "{N} should rot in hell",
        "why are {N} so annoying", "{N} ruin everything", "I have no respect for {N}", "{N} deserve to lose everything", "nobody likes {N}",
        "{N} are parasites", "someone should stop {N}",
    ]),
    "abuse_individual": (0, [
        "you are an idiot", "I hate you", "shut up, moron", "you're such a liar", "go away, you creep", "You disgust me", "my boss is an asshole",
        "you ruined my evening, jerk", "I hate my ex", "what an idiot you are", "you are a terrible person", "drop dead", "Kevin is a lying piece of shit",
        "nobody likes you, loser", "you suck", "my landlord is a greedy bastard", "He is the worst goalkeeper ever", "I can't stand that guy",
        "your sister is annoying as hell", "you're a coward and you know it", "that driver was a complete moron", "go to hell, Tom",
    ]),
    "homonyms": (0, [
        "the chink in the armour", "we sat around and smoked a fag outside, as they say in London", "the dyke protects the village from the sea",
        "that is queer, the door was locked", "the bitch had six puppies", "a cock crowed at dawn", "the pussy cat is asleep", "I paid on the spic and span counter",
        "he has a retarded growth rate, says the crop study", "the fire retardant worked", "spade and hoe are in the shed", "hoe the garden before it rains",
        "cracker with cheese please", "I love ginger crackers", "the donkey, or ass, carried the bags", "tit and robin at the feeder",
    ]),
    "everyday": (0, [
        "hey, how was your day?", "that joke killed me", "I would kill for a coffee right now", "you're killing it!", "my dog is sick, going to the vet",
        "this weather sucks", "lol you're crazy, I love it", "shoot me a message later", "I bombed my driving test", "that was a sick beat",
        "I'm dying of laughter", "can we meet at eight?", "sorry, I was asleep", "you slay queen", "the battery is dead", "what are you doing tonight?",
        "I am so bad at this game", "stop it, you're making me blush", "he shot a great photo", "my feet are killing me", "nice picture, where was that?",
        "the black car next to the white house", "straight ahead, then left", "I like older movies", "my sister has a girl now", "let's roast a chicken",
        "we are going to crush them in the final", "damn girl, that dress!", "good night, sleep well", "I'm not sure I understand, can you explain?",
        "you play like a beast", "that outfit is wicked", "be a man and call her :)", "that's so unfair, I was first", "our team got destroyed 5-0",
    ]),
}
# The sentence kinds whose verdict in the Jigsaw scheme is not known: profanity there counts as toxic.
TOXIC_UNKNOWN = {"reclaimed", "profane_nonhate", "hate_objects", "hate_unprotected", "counter_quote", "homonyms"}
TOXIC = {"abuse_individual"}


def is_heldout(index):
    """Every third template of a functionality."""
    return index % 3 == 2


def slurs(path):
    """Slurs of the word list that name a group, plain spellings only."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    kinds = ("racial / ethnic slurs", "sexual orientation / gender")
    return sorted({row["text"] for row in rows if row["category_1"] in kinds and row["text"].isalpha() and float(row["severity_rating"]) >= 1.8})


def sentence(template, rng, slur):
    plural, adjective, single = rng.choice(GROUPS)
    filled = template.format(P=plural, A=adjective, S=single, N=rng.choice(UNPROTECTED), O=rng.choice(OBJECTS), I=rng.choice(SWEARS), B=rng.choice(NOUNS), SLUR=rng.choice(slur))
    if rng.random() < 0.3:
        filled = filled.lower()
    elif rng.random() < 0.6:
        filled = filled[0].upper() + filled[1:]
    named = "{P}" in template or "{A}" in template or "{S}" in template
    return filled, plural if named else ""


def sentences(slur, per_template, seed, heldout):
    """Rows (functionality, hateful, template number, group, text); near-even over templates."""
    rng = random.Random(seed)
    out = []
    for name, (hateful, templates) in SUITE.items():
        for index, template in enumerate(templates):
            if is_heldout(index) != heldout:
                continue
            fixed = "{" not in template
            seen = set()
            for _ in range(1 if fixed else per_template):
                text, group = sentence(template, rng, slur)
                if text not in seen:
                    seen.add(text)
                    out.append((name, hateful, index, group, text))
    return out
